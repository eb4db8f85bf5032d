"""ConcurrencyLimit: at most so many requests at one time (a bulkhead).

The problem: a rate says nothing about slow requests. Ten a second are nothing for a service that answers in 10 ms, and
three hundred open ones when it needs 30 s: then one slow route, or one client with patience, holds all connections. The
rule: count what is under way for each key; one more than allowed is refused at once, never queued. A request is
counted when it has passed, and released exactly once, by whatever its exchange ends with (`on_end`): an answer, a
refusal further on, a time-out, a client that left, the last byte of a WebSocket.

A key is forgotten when nothing of it is under way, so there are never more keys than requests. Each worker counts for
itself: a count that others share would need leases, for workers that die.
"""

from __future__ import annotations

import heapq
from typing import Final

from gateway.filters.base import Build, Decision, Filter, Verdict
from gateway.filters.limit_keys import NO_KEY, key_function, shown
from gateway.filters.limit_view import TOLD, LimitView
from gateway.http.messages import Reply, Request
from gateway.spec.filters import ConcurrencyLimit

COME_AGAIN: Final = ((b"retry-after", b"1"),)


class ConcurrencyLimitFilter(Filter[ConcurrencyLimit]):
    """At most `requests` under way at one time for each key, in each worker."""

    Spec = ConcurrencyLimit

    def __init__(self, spec: ConcurrencyLimit, build: Build) -> None:
        super().__init__(spec, build)
        self.under_way: dict[str, int] = {}
        self._held: dict[Request, str] = {}
        self._key = key_function(spec.key)
        self._shadowed = build.metrics.shadowed
        self._most = spec.requests
        # Everybody's count is full: the service is busy (503). A client's own is: that client asks too much (429).
        status = 503 if spec.key.type == "Route" else 429
        detail = f"limit {spec.name!r}: {spec.requests} requests at one time; try again when one of them has ended"
        self._refusal = Reply(status, "concurrency_limited", detail, COME_AGAIN)

    def decide(self, request: Request) -> Decision:
        """Pass, 429, or 503."""
        key = self._key(request)
        if key is None:
            return NO_KEY if self.spec.enforced else None
        if self.under_way.get(key, 0) < self._most:
            return None
        if self.spec.enforced:
            return self._refusal
        self._shadowed.add(self.name, self._refusal.reason)
        return None

    def commit(self, request: Request) -> None:
        """Count it."""
        key = self._key(request)
        if key is not None:
            self._held[request] = key
            self.under_way[key] = self.under_way.get(key, 0) + 1

    def on_end(self, request: Request) -> None:
        """Release it, if it was counted."""
        key = self._held.pop(request, None)
        if key is None:
            return
        left = self.under_way[key] - 1
        if left:
            self.under_way[key] = left
        else:
            del self.under_way[key]

    def explain(self, request: Request, reply: Verdict) -> str:
        """How many are under way."""
        kind, key = self.spec.key.type, self._key(request)
        if key is None:
            return f"no {kind.lower()} to count by"
        text = f"{self.under_way.get(key, 0)} of {self._most} under way for {kind.lower()} {shown(kind, key)}"
        return text if self.spec.enforced else f"{text} (shadow mode: never refuses)"

    def view(self) -> LimitView:
        """Who has how many under way."""
        spec = self.spec
        most = heapq.nlargest(TOLD, self.under_way.items(), key=lambda one: one[1])
        return {
            "name": spec.name,
            "type": spec.type,
            "where": self.where,
            "terms": f"{spec.requests} at one time",
            "key": spec.key.type if spec.key.name is None else f"{spec.key.type} {spec.key.name}",
            "store": None,
            "enforced": spec.enforced,
            "keys": len(self.under_way),
            "top": [
                {"key": shown(spec.key.type, key), "left": max(self._most - count, 0), "size": self._most,
                 "reset_seconds": 0.0}
                for key, count in most
            ],
        }  # fmt: skip
