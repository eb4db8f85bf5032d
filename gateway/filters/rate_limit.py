"""RateLimit: GCRA, a token bucket without a timer.

The problem: count requests per key exactly, with one number per key and no background work. The rule (ITU-T I.371,
generic cell rate algorithm): each key has a *theoretical arrival time*, the moment at which its bucket will be full
again. A request moves it one interval (`per / requests`) ahead; it is refused if that would put it further ahead
than the burst allows.

    now ────────────●──────────────▶ tat        tat ≤ now: the bucket is full
         └── what is used ──┘                   tat − now > burst × interval: refused

Keys come from clients, so their number is bounded: they live in two generations. When the young one is full or old
enough that every bucket in the other has filled up again, the other is forgotten. Forgetting a full bucket loses
nothing; `max_keys` bounds what an attacker with many addresses can make us hold.

With a `store` the same numbers are kept in Redis, and all workers count together (shared_limit.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

from gateway.filters.base import Build, Decision, Filter, Verdict
from gateway.filters.limit_keys import NO_KEY, key_function, shown
from gateway.filters.limit_terms import RateTerms, refusal, tell
from gateway.filters.limit_view import LOOKED_AT, LimitView, Use, limit_view
from gateway.filters.operation_limit import OperationLimit
from gateway.filters.shared_limit import Charge, SharedLimit
from gateway.http.messages import Request
from gateway.spec.filters import RateLimit


class Gcra:
    """Buckets by key; times are in seconds of one clock."""

    __slots__ = ("_generation_seconds", "_max_keys", "_old", "_rotated", "_young", "interval", "tolerance")

    def __init__(self, requests: int, per: float, burst: int, max_keys: int) -> None:
        self.interval = per / requests
        self.tolerance = self.interval * burst
        self._max_keys = max_keys
        self._young: dict[str, float] = {}
        self._old: dict[str, float] = {}
        self._rotated = -math.inf
        self._generation_seconds = max(self.tolerance, 1.0)

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def used(self, key: str, now: float) -> float:
        """Seconds' worth of requests in the bucket: 0 when full."""
        tat = self._young.get(key)
        if tat is None:
            tat = self._old.get(key, 0.0)
        return tat - now if tat > now else 0.0

    def spend(self, key: str, now: float, cost: int = 1) -> float:
        """Take a request's worth, or `cost` of them; what is used then."""
        used = self.used(key, now) + self.interval * cost
        self.put(key, now, used)
        return used

    def put(self, key: str, now: float, used: float) -> None:
        """From now on so much is used."""
        if now - self._rotated > self._generation_seconds or len(self._young) >= self._max_keys:
            self._old, self._young, self._rotated = self._young, {}, now
        self._young[key] = now + used

    def latest(self, most: int) -> Iterator[str]:
        """The keys that came last to have a bucket."""
        old = (key for key in reversed(self._old) if key not in self._young)
        return islice(chain(reversed(self._young), old), most)


class RateLimitFilter(Filter[RateLimit]):
    """At most `requests` per `per` and key, in each worker."""

    Spec = RateLimit

    def __init__(self, spec: RateLimit, build: Build) -> None:
        super().__init__(spec, build)
        burst = spec.burst or spec.requests
        self.terms = RateTerms(spec.name, spec.requests, spec.per, burst)
        self.gcra = Gcra(spec.requests, spec.per, burst, spec.max_keys)
        self._limit, self._each = self.terms.limit, self.gcra.interval
        self._enforced = spec.enforced
        self._passed: tuple[str, float, float] | None = None
        self._clock = build.clock
        self._key = key_function(spec.key)
        self._shadowed = build.metrics.shadowed

    @classmethod
    def make(cls, spec: RateLimit, build: Build) -> Filter[Any]:
        """This, or the one that counts in a store; for some operations only, where the configuration names them."""
        limit: Filter[Any] = cls(spec, build) if spec.store is None else SharedRateLimit(spec, build)
        return OperationLimit(spec, build, limit) if spec.operations else limit

    def decide(self, request: Request) -> Decision:
        """Pass or 429."""
        self._passed = None
        key = self._key(request)
        if key is None:
            return NO_KEY if self._enforced else None
        now = self._clock()
        used = self.gcra.used(key, now)
        after = used + self._each * request.cost
        if after <= self._limit:
            self._passed = key, now, after  # for `commit`, which follows at once: this filter never waits
            return None
        if not self._enforced:
            self._shadowed.add(self.name, "rate_limited")
            return None
        tell(request, self.terms, used)
        return refusal(self.terms, used, 0.0, request.cost)

    def commit(self, request: Request) -> None:
        """Spend what the request costs and say what is left."""
        if self._passed is None:  # nothing to count by, or shadow mode: what would be refused would cost nothing
            return
        key, now, used = self._passed
        self.gcra.put(key, now, used)
        if self._enforced:
            request.limits += ((self.terms, used, 0.0),)

    def explain(self, request: Request, reply: Verdict) -> str:
        """What is left for whom, nothing spent."""
        kind, key = self.spec.key.type, self._key(request)
        if key is None:
            return f"no {kind.lower()} to count by"
        left = self.terms.left(self.gcra.used(key, self._clock()))
        text = f"{left} of {self.terms.size} left for {kind.lower()} {shown(kind, key)}"
        return text if self.spec.enforced else f"{text} (shadow mode: never refuses)"

    def view(self) -> LimitView:
        """Who has used how much."""
        now = self._clock()
        uses = (Use(key, self.terms, self.gcra.used(key, now)) for key in self.gcra.latest(LOOKED_AT))
        return limit_view(self.spec, self.where, self.terms, len(self.gcra), uses)


class SharedRateLimit(SharedLimit[RateLimit]):
    """At most `requests` per `per` and key, in all workers and gateways that share the store."""

    def __init__(self, spec: RateLimit, build: Build) -> None:
        self.terms = RateTerms(spec.name, spec.requests, spec.per, spec.burst or spec.requests)
        super().__init__(spec, build, self.terms)

    def charge(self, request: Request) -> Charge | None:
        """Everybody has the same terms."""
        key = self.key(request)
        return None if key is None else Charge(self, key, self.terms)
