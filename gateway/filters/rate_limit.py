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
"""

from __future__ import annotations

import math
from collections.abc import Callable

from gateway.filters.base import Build, Decision, Filter, Verdict
from gateway.http.messages import Reply, Request
from gateway.observability.masking import shown
from gateway.spec.filters import RateLimit

QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"


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

    def spend(self, key: str, now: float) -> None:
        """One request."""
        if now - self._rotated > self._generation_seconds or len(self._young) >= self._max_keys:
            self._old, self._young, self._rotated = self._young, {}, now
        self._young[key] = now + self.used(key, now) + self.interval


class RateLimitFilter(Filter[RateLimit]):
    """At most `requests` per `per` and key."""

    Spec = RateLimit

    def __init__(self, spec: RateLimit, build: Build) -> None:
        super().__init__(spec, build)
        self.burst = spec.burst or spec.requests
        self.gcra = Gcra(spec.requests, spec.per, self.burst, spec.max_keys)
        self._slack = self.gcra.interval * 1e-6  # floating point: the last of a burst must not fail by a rounding
        self._clock = build.clock
        self._key = _key_function(spec)
        self._shadowed = build.metrics.shadowed
        self._policy = f'"{spec.name}";q={self.burst};w={math.ceil(self.gcra.tolerance)}'.encode()

    def decide(self, request: Request) -> Decision:
        """Pass or 429."""
        key = self._key(request)
        if key is None:
            return None if not self.spec.enforced else Reply(403, "no_limit_key", "what the limit counts by is missing")
        gcra = self.gcra
        used = gcra.used(key, self._clock())
        if used + gcra.interval <= gcra.tolerance + self._slack:
            return None
        if not self.spec.enforced:
            self._shadowed.add(self.name, "rate_limited")
            return None
        return self._exceeded(request, used)

    def commit(self, request: Request) -> None:
        """Spend one request and say what is left (IETF draft-ietf-httpapi-ratelimit-headers-11)."""
        key = self._key(request)
        if key is None:
            return
        gcra, now = self.gcra, self._clock()
        gcra.spend(key, now)
        if self.spec.enforced:
            self._tell(request, gcra.used(key, now))

    def _tell(self, request: Request, used: float) -> None:
        left = int((self.gcra.tolerance - used) / self.gcra.interval + 1e-6)
        value = b'"%b";r=%d;t=%d' % (self.spec.name.encode(), max(left, 0), math.ceil(used))
        request.reply_headers.append((b"ratelimit-policy", self._policy))
        request.reply_headers.append((b"ratelimit", value))

    def _exceeded(self, request: Request, used: float) -> Reply:
        wait = math.ceil(used + self.gcra.interval - self.gcra.tolerance)
        self._tell(request, used)
        return Reply(
            429,
            "rate_limited",
            f"limit {self.spec.name!r}: {self.spec.requests} per {self.spec.per:g} s, "
            f"bursts of {self.burst}; try again in {wait} s",
            ((b"retry-after", b"%d" % wait),),
            problem_type=QUOTA_EXCEEDED,
            title="Quota exceeded",
        )

    def explain(self, request: Request, reply: Verdict) -> str:
        """What is left for whom."""
        kind, key = self.spec.key.type, self._key(request)
        if key is None:
            return f"no {kind.lower()} to count by"
        left = int((self.gcra.tolerance - self.gcra.used(key, self._clock())) / self.gcra.interval + 1e-6)
        whose = shown(self.spec.key.name or "", key) if kind == "Header" else key
        text = f"{max(left, 0)} of {self.burst} left for {kind.lower()} {whose}"
        return text + ("" if self.spec.enforced else " (shadow mode: never refuses)")


def _key_function(spec: RateLimit) -> Callable[[Request], str | None]:
    """How to find a request's key; claims only from a verified token."""
    kind, name = spec.key.type, spec.key.name or ""
    if kind == "Address":
        return lambda request: request.address
    if kind == "Route":
        return lambda request: request.route.name if request.route else ""
    if kind == "Header":
        return lambda request: request.get(name.lower().encode("latin-1"))
    if name == "sub":
        return lambda request: request.subject or None
    return lambda request: None if request.claims is None else _claim(request.claims.get(name))


def _claim(value: object) -> str | None:
    return None if value is None else str(value)
