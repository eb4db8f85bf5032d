"""The live state of a limit, for the admin API: who has used how much of it.

The problem: a limit holds a hundred thousand keys, some of them secrets, and looking must not hold up requests. The
rule: at most LOOKED_AT keys are looked at, those that came last, the most used of them are told, and keys only as
they may be shown.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from gateway.filters.limit_keys import shown
from gateway.filters.limit_terms import Terms
from gateway.spec.filters import LimitSpec

LOOKED_AT: Final = 5_000
TOLD: Final = 20

LimitView = dict[str, Any]


class Use(NamedTuple):
    """One key: what it may, what it has used, and the seconds until its quota's window ends."""

    key: str
    terms: Terms
    used: float
    ends: float = 0.0

    @property
    def share(self) -> float:
        """Of all that it may."""
        return self.used / self.terms.most


def limit_view(spec: LimitSpec, where: str, terms: Terms, keys: int, uses: Iterable[Use]) -> LimitView:
    """A limit and its most used keys; `left` and `reset_seconds` as clients are told."""
    most_used = heapq.nlargest(TOLD, (one for one in uses if one.used > 0), key=lambda one: one.share)
    return {
        "name": spec.name,
        "type": spec.type,
        "where": where,
        "terms": terms.words,
        "key": spec.key.type if spec.key.name is None else f"{spec.key.type} {spec.key.name}",
        "store": spec.store,
        "enforced": spec.enforced,
        "keys": keys,
        "top": [
            {
                "key": shown(spec.key.type, one.key),
                "left": one.terms.left(one.used),
                "size": one.terms.size,
                "reset_seconds": round(one.terms.reset(one.used, one.ends), 1),
            }
            for one in most_used
        ],
    }
