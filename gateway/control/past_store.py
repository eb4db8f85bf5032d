"""What happened to the latest denied and sampled requests, found by trace id.

The problem: strangers cause denials, as many as they like, and some ids come from proxies in front of us that may
have taken them from their clients. The rule: denied and other requests have a shelf each, bounded in number and in
bytes, from which the oldest go first; under one id only the first few are kept, so that nobody who repeats an id
can overwrite, push out or hide what is there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

import orjson

from gateway.control.messages import Explanations

MAX_ENTRIES: Final = 4_000
MAX_BYTES: Final = 8 * 1024 * 1024
MAX_PER_TRACE: Final = 8
SUMMARY: Final = (
    "trace_id", "time", "method", "target", "status", "reason", "outcome", "decided_by", "policy", "subject",
    "token_seconds",
)  # fmt: skip
REFUSED: Final = frozenset({"deny", "no_route", "unreadable", "service_refused", "failed", "cut_off", "client_gone"})


class PastStore:
    """Two shelves: what was refused or broken, and what was sampled."""

    def __init__(self, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES) -> None:
        """Each shelf has these bounds."""
        self._refused = Shelf(max_entries, max_bytes)
        self._others = Shelf(max_entries, max_bytes)
        self.dropped = 0
        """Requests that were too many to be explained at their time."""

    def add(self, worker: str, told: Explanations) -> None:
        """Keep what a worker told."""
        self.dropped += told.dropped
        for one in told.explanations:
            shelf = self._refused if one.outcome in REFUSED else self._others
            document = one.model_dump(exclude_defaults=True) | {"worker": worker, "status": one.status}
            self.dropped += not shelf.add(one.trace_id, orjson.dumps(document))

    def get(self, trace_id: str) -> list[dict[str, Any]]:
        """Every explanation of this trace, in order of time: one for each pass through the gateway."""
        found = [orjson.loads(one) for shelf in (self._refused, self._others) for one in shelf.get(trace_id)]
        return sorted(found, key=lambda one: str(one["time"]))

    def latest(self, limit: int) -> list[dict[str, Any]]:
        """Short forms, the latest first."""
        both = [orjson.loads(one) for shelf in (self._refused, self._others) for one in islice(shelf, limit)]
        latest = sorted(both, key=lambda one: str(one["time"]), reverse=True)[:limit]
        return [{name: one[name] for name in SUMMARY if name in one} for one in latest]


class Shelf:
    """Documents by trace id, oldest trace first."""

    def __init__(self, max_entries: int, max_bytes: int) -> None:
        self._max_entries, self._max_bytes = max_entries, max_bytes
        self._by_trace: OrderedDict[str, list[bytes]] = OrderedDict()
        self._count = 0
        self.size = 0

    def __len__(self) -> int:
        return self._count

    def add(self, trace_id: str, document: bytes) -> bool:
        """Keep a document; False when its trace has enough of them already."""
        known = self._by_trace.setdefault(trace_id, [])
        if len(known) >= MAX_PER_TRACE:
            return False
        known.append(document)
        self._count += 1
        self.size += len(document)
        while self._count > self._max_entries or self.size > self._max_bytes:
            _, oldest = self._by_trace.popitem(last=False)
            self._count -= len(oldest)
            self.size -= sum(map(len, oldest))
        return True

    def get(self, trace_id: str) -> list[bytes]:
        """The documents of one trace."""
        return self._by_trace.get(trace_id, [])

    def __iter__(self) -> Iterator[bytes]:
        """Newest traces first."""
        for documents in reversed(self._by_trace.values()):
            yield from documents
