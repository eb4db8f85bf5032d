"""The latest requests, for people to look at.

The problem: access records carry what strangers sent. The rule: only known fields are kept, texts are cut
to a length, only so many records are held; showing them safely is the page's task (text, never markup).
"""

from __future__ import annotations

from collections import deque
from typing import Any

FIELDS = frozenset((
    "start_time", "method", "host", "path", "route", "listener", "protocol", "status", "reason", "response_flags",
    "bytes_received", "bytes_sent", "duration_ms", "upstream_duration_ms", "upstream_cluster",
    "upstream_endpoint", "attempts", "subject", "client_address", "user_agent", "request_id",
    "trace_id", "span_id", "policy", "decided_by",
))  # fmt: skip
MAX_TEXT = 512
_NUMBERS = frozenset((bool, int, float))


class RequestLog:
    """A ring of access records, and one of those that were refused or failed, so that a flood of good ones does not
    push them out; `seq` grows by one with every record."""

    def __init__(self, size: int = 500) -> None:
        self._records: deque[dict[str, Any]] = deque(maxlen=size)
        self._denied: deque[dict[str, Any]] = deque(maxlen=size)
        self._seq = 0

    @property
    def seq(self) -> int:
        """The number of the newest record."""
        return self._seq

    def add(self, worker: str, records: list[dict[str, Any]]) -> None:
        """Keep what a worker reported."""
        for record in records:
            self._seq += 1
            kept = {"seq": self._seq, **clean(record), "worker": worker}
            self._records.append(kept)
            if not good(kept):
                self._denied.append(kept)

    def latest(self, limit: int, after: int = 0, *, denied: bool = False) -> list[dict[str, Any]]:
        """The newest records first, at most `limit`, only those behind number `after`; perhaps only denied ones."""
        found: list[dict[str, Any]] = []
        for record in reversed(self._denied if denied else self._records):
            if len(found) >= limit or record["seq"] <= after:
                break
            found.append(record)
        return found


def good(record: dict[str, Any]) -> bool:
    """Whether it was answered, and with no error."""
    status = record.get("status")
    return isinstance(status, int) and 0 < status < 400


def clean(record: dict[str, Any]) -> dict[str, Any]:
    """The known fields with scalar values, texts cut to MAX_TEXT characters."""
    return {
        name: value if value.__class__ in _NUMBERS else str(value)[:MAX_TEXT]
        for name, value in record.items()
        if name in FIELDS and value is not None
    }
