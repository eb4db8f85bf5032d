"""Limits that are kept in a store, so that all workers and gateways count together.

The problem: in Redis, deciding cannot be apart from spending, or two gateways would both spend the last request; each
question is a round trip; and Redis may be away. The rule:

- `decide` asks and spends in one script (limit_script.py); `preview`, which `gatehouse explain` uses, only asks.
- Limits of one store that stand next to each other in a chain are one step with one round trip: `LimitGroup`. All of
  them spend, or, when one refuses, none.
- While the store gives no answer, requests pass or get 503 as `onStoreFailure` declares, and both are counted.
- Redis holds a key for each client for as long as its bucket is not full. When more than `maxKeys` of them come at one
  time, further ones share one: what clients make up must not fill a Redis that others use, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from gateway.filters.base import Build, Decision, Filter, Verdict
from gateway.filters.limit_keys import NO_KEY, key_function, shown
from gateway.filters.limit_script import LIMITS
from gateway.filters.limit_seen import Said, Seen
from gateway.filters.limit_terms import AnyTerms, refusal, tell
from gateway.filters.limit_view import LimitView, limit_view
from gateway.http.messages import Reply, Request
from gateway.spec.filters import LimitSpec
from gateway.upstream.redis_account import Word
from gateway.upstream.store import Store

L = TypeVar("L", bound=LimitSpec)
UNAVAILABLE: Final = "the limits of this route cannot be asked at the moment"


@dataclass(frozen=True, slots=True)
class Charge:
    """What one limit wants to know of one request."""

    limit: SharedLimit[Any]
    key: str
    """As it stands in Redis."""
    terms: AnyTerms


class SharedLimit(Filter[L], Generic[L]):
    """A limit whose counts are in a store."""

    def __init__(self, spec: L, build: Build, terms: AnyTerms) -> None:
        """`terms` are those that live longest in Redis."""
        super().__init__(spec, build)
        assert spec.store is not None
        self.store: Store = build.stores[spec.store]
        self.joins = self.store
        self.seen = Seen(spec.max_keys, terms.reset(terms.most, terms.span))
        self.clock = build.clock
        self.metrics = build.metrics
        self.closes = spec.enforced and spec.on_store_failure == "fail_closed"
        self.now: Callable[[], Word] = str  # "" is Redis' own clock; tests put another one here
        self._key = key_function(spec.key)
        self._terms = terms
        self.prefix = f"limits:{build.route}:{spec.name}:"

    def charge(self, request: Request) -> Charge | None:
        """What to ask; None when the request lacks what the limit counts by."""
        raise NotImplementedError

    def words(self, charge: Charge, cost: int) -> tuple[Word, ...]:
        """The script's arguments for it."""
        terms = charge.terms
        return (terms.kind, terms.span, terms.limit, cost, int(self.spec.enforced))

    def key(self, request: Request) -> str | None:
        """Whose count it is, as it may stand in Redis: no secret leaves this process, and no flood of keys."""
        key = self._key(request)
        return None if key is None else self.seen.admit(shown(self.spec.key.type, key), self.clock())

    def kept_with(self, build: Build) -> bool:
        """Only while its store is the same."""
        return build.stores.get(self.spec.store or "") is self.store

    def decide(self, request: Request) -> Decision:
        """Ask and spend."""
        return ask((self,), request, spend=True)

    def preview(self, request: Request) -> Decision:
        """Ask, and spend nothing."""
        return ask((self,), request, spend=False)

    def join(self, following: Sequence[Filter[Any]]) -> Filter[Any]:
        """One step, with one question, for this and the ones that follow."""
        return LimitGroup([self, *(one for one in following if isinstance(one, SharedLimit))])

    def explain(self, request: Request, reply: Verdict) -> str:
        """What is left for whom, as `preview` has just heard it."""
        charge, kind = self.charge(request), self.spec.key.type
        if charge is None:
            return f"no {kind.lower()} to count by"
        if reply is not None and reply.status == 503:
            return reply.detail
        if self.store.down:
            return f"store {self.spec.store} is away: {self.spec.on_store_failure}"
        said = self.seen.get(charge.key)
        left = charge.terms.left(said.used if said else 0.0)
        text = f"{left} of {charge.terms.size} left for {kind.lower()} {charge.key}"
        text = f"{text} in store {self.spec.store}"
        return text if self.spec.enforced else f"{text} (shadow mode: never refuses)"

    def view(self) -> LimitView:
        """Who has used how much, as this worker last heard it."""
        return limit_view(self.spec, self.where, self._terms, len(self.seen), self.seen.uses(self.clock()))


class LimitGroup(Filter[Any]):
    """Limits of one store that stand next to each other: one step, one round trip."""

    def __init__(self, limits: Sequence[SharedLimit[Any]]) -> None:
        self.limits = tuple(limits)
        self.spec = limits[0].spec

    @property
    def where(self) -> str:  # type: ignore[override]
        """That of the first; a refusal names its own."""
        return self.limits[0].where

    def decide(self, request: Request) -> Decision:
        """Ask all, spend in all or in none."""
        return ask(self.limits, request, spend=True)

    def preview(self, request: Request) -> Decision:
        """Ask all, spend nothing."""
        return ask(self.limits, request, spend=False)


def ask(limits: Sequence[SharedLimit[Any]], request: Request, *, spend: bool) -> Decision:
    """One question for all these limits."""
    charges: list[Charge] = []
    keys: list[Word] = []
    words: list[Word] = [limits[0].now(), int(spend)]
    for limit in limits:
        charge = limit.charge(request)
        if charge is not None:
            charges.append(charge)
            keys.append(limit.prefix + charge.key)
            words += limit.words(charge, request.cost)
        elif limit.spec.enforced:
            return NO_KEY
    if not charges:
        return None
    return charges[0].limit.store.run(
        LIMITS,
        keys,
        words,
        lambda answer: _answered(charges, request, answer),
        lambda: _undecided(charges),
    )


def _answered(charges: Sequence[Charge], request: Request, answer: Sequence[int]) -> Verdict:
    """Tell what is left everywhere; the first enforced limit that is exceeded refuses."""
    refused: Verdict = None
    for place, charge in enumerate(charges):
        over, used, ends = answer[3 * place], answer[3 * place + 1] / 1e6, answer[3 * place + 2] / 1e3
        limit = charge.limit
        limit.seen.note(charge.key, Said(charge.terms, used, ends, limit.clock()))
        if not limit.spec.enforced:
            if over:
                limit.metrics.shadowed.add(limit.name, charge.terms.reason)
            continue
        tell(request, charge.terms, used, ends)
        if over and refused is None:
            refused = refusal(charge.terms, used, ends, request.cost, limit.where)
    return refused


def _undecided(charges: Sequence[Charge]) -> Verdict:
    """The store gave no answer: what the limits declare, and one that closes is enough."""
    closing = [one.limit for one in charges if one.limit.closes]
    for charge in charges:
        spec = charge.limit.spec
        charge.limit.metrics.undecided.add(
            spec.type, spec.store, "fail_closed" if charge.limit in closing else "fail_open"
        )
    if not closing:
        return None
    headers = ((b"retry-after", b"%d" % max(math.ceil(closing[0].store.spec.cooldown), 1)),)
    return Reply(503, "limit_store_unavailable", UNAVAILABLE, headers, policy=closing[0].where)
