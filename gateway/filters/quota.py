"""Quota: so many requests in each window of the calendar, by plan.

The problem: "1 000 a day" is what people agree on and pay for. A bucket that refills all day allows up to twice that
within 24 hours, and nobody can tell when "the day" begins. The rule: windows are those of the calendar, counted in
UTC from 1970 (`24h` begins at midnight, `1h` at the full hour); what is left ends with its window. How many they are
depends on a claim of the verified token, where there are plans; whoever has no plan, or one that is not listed, has
what the filter itself says: the least, if it is written so.

Without a store each worker counts for itself, and a restart begins anew: good enough to try, not to bill.
"""

from __future__ import annotations

from typing import Any

from gateway.filters.base import Build, Decision, Filter, Verdict
from gateway.filters.limit_keys import NO_KEY, key_function, shown
from gateway.filters.limit_terms import QuotaTerms, refusal, tell
from gateway.filters.limit_view import LOOKED_AT, LimitView, Use, limit_view
from gateway.filters.shared_limit import Charge, SharedLimit
from gateway.http.messages import Request
from gateway.spec.filters import Quota


class Plans:
    """Which terms a request has."""

    def __init__(self, spec: Quota) -> None:
        self.default = QuotaTerms(spec.name, spec.requests, spec.per)
        self._claim = spec.plan_claim
        self._plans = {
            name: QuotaTerms(spec.name, plan.requests, spec.per if plan.per is None else plan.per)
            for name, plan in spec.plans.items()
        }

    @property
    def longest(self) -> QuotaTerms:
        """Those with the longest window."""
        return max((self.default, *self._plans.values()), key=lambda terms: terms.span)

    def of(self, request: Request) -> QuotaTerms:
        """By the claim; only text names a plan."""
        if not self._plans or request.claims is None:
            return self.default
        plan = request.claims.get(self._claim)
        return self._plans.get(plan, self.default) if isinstance(plan, str) else self.default


class Windows:
    """Requests by key in the window that runs: bounded, the ones that came first are forgotten first."""

    def __init__(self, max_keys: int) -> None:
        self._max_keys = max_keys
        self.counts: dict[str, tuple[int, float, QuotaTerms]] = {}
        """Key → requests, when their window ends (seconds since 1970), and what was allowed."""

    def used(self, key: str, now: float, per: float) -> tuple[int, float]:
        """Requests so far, and when their window ends."""
        found = self.counts.get(key)
        return (found[0], found[1]) if found and now < found[1] <= now + per else (0, (now // per + 1) * per)

    def spend(self, key: str, count: int, ends: float, terms: QuotaTerms) -> None:
        """Set the count."""
        if key not in self.counts and len(self.counts) >= self._max_keys:
            del self.counts[next(iter(self.counts))]
        self.counts[key] = (count, ends, terms)


class QuotaFilter(Filter[Quota]):
    """At most `requests` in each window and key, in each worker."""

    Spec = Quota

    def __init__(self, spec: Quota, build: Build) -> None:
        super().__init__(spec, build)
        self._plans = Plans(spec)
        self.windows = Windows(spec.max_keys)
        self._wall = build.wall
        self._key = key_function(spec.key)
        self._shadowed = build.metrics.shadowed

    @classmethod
    def make(cls, spec: Quota, build: Build) -> Filter[Any]:
        """This, or the one that counts in a store."""
        return cls(spec, build) if spec.store is None else SharedQuota(spec, build)

    def decide(self, request: Request) -> Decision:
        """Pass or 429."""
        key = self._key(request)
        if key is None:
            return NO_KEY if self.spec.enforced else None
        terms, now = self._plans.of(request), self._wall()
        used, ends = self.windows.used(key, now, terms.span)
        if used + request.cost <= terms.most:
            return None
        if not self.spec.enforced:
            self._shadowed.add(self.name, terms.reason)
            return None
        tell(request, terms, used, ends - now)
        return refusal(terms, used, ends - now, request.cost)

    def commit(self, request: Request) -> None:
        """Count the request and say what is left."""
        key = self._key(request)
        if key is None:
            return
        terms, now = self._plans.of(request), self._wall()
        used, ends = self.windows.used(key, now, terms.span)
        if used + request.cost > terms.most:  # shadow mode: what would be refused would cost nothing
            return
        self.windows.spend(key, used + request.cost, ends, terms)
        if self.spec.enforced:
            tell(request, terms, used + request.cost, ends - now)

    def explain(self, request: Request, reply: Verdict) -> str:
        """What is left for whom, nothing spent."""
        kind, key = self.spec.key.type, self._key(request)
        if key is None:
            return f"no {kind.lower()} to count by"
        terms = self._plans.of(request)
        left = terms.left(self.windows.used(key, self._wall(), terms.span)[0])
        text = f"{left} of {terms.words} left for {kind.lower()} {shown(kind, key)}"
        return text if self.spec.enforced else f"{text} (shadow mode: never refuses)"

    def view(self) -> LimitView:
        """Who has used how much."""
        now = self._wall()
        latest = list(self.windows.counts.items())[-LOOKED_AT:]
        uses = (Use(key, terms, count, ends - now) for key, (count, ends, terms) in latest if ends > now)
        return limit_view(self.spec, self.where, self._plans.default, len(self.windows.counts), uses)


class SharedQuota(SharedLimit[Quota]):
    """At most `requests` in each window and key, in all workers and gateways that share the store."""

    def __init__(self, spec: Quota, build: Build) -> None:
        self._plans = Plans(spec)
        super().__init__(spec, build, self._plans.longest)

    def charge(self, request: Request) -> Charge | None:
        """By the plan of whoever asks."""
        key = self.key(request)
        return None if key is None else Charge(self, key, self._plans.of(request))
