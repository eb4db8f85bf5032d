"""What a worker remembers of a limit that is kept in a store.

The problem: Redis holds a key for each client until its count has lapsed; a flood of made-up keys would fill a Redis
that others use, too, and looking through its keys to see who uses what would hold it up. The rule: each worker
remembers the keys that it met and what Redis said of them, up to `maxKeys` in the time that a count lives; further keys
share one count.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain, islice
from typing import Final, NamedTuple

from gateway.filters.limit_terms import AnyTerms
from gateway.filters.limit_view import LOOKED_AT, Use

OVERFLOW: Final = "*"
"""Whose count it is when there are too many keys."""


class Said(NamedTuple):
    """What Redis said of a key, and when (on our clock)."""

    terms: AnyTerms
    used: float
    ends: float
    at: float

    def use(self, key: str, now: float) -> Use:
        """What of it is left in use by now, if no other gateway has added to it."""
        passed = now - self.at
        if self.terms.kind == "rate":
            return Use(key, self.terms, self.used - passed)
        return Use(key, self.terms, self.used if self.ends > passed else 0.0, self.ends - passed)


class Seen:
    """The keys that came and what Redis said of them last: bounded, in two generations, the older one forgotten."""

    def __init__(self, max_keys: int, seconds: float) -> None:
        """`seconds`: after so long without a request Redis has forgotten a key as well."""
        self._max_keys = max_keys
        self._seconds = max(seconds, 1.0)
        self._rotated = -math.inf
        self._young: dict[str, Said | None] = {}
        self._old: dict[str, Said | None] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def admit(self, key: str, now: float) -> str:
        """The key itself, or OVERFLOW when too many others came before it."""
        if now - self._rotated > self._seconds:
            self._old, self._young, self._rotated = self._young, {}, now
        if key in self._young:
            return key
        if len(self._young) < self._max_keys:
            self._young[key] = self._old.pop(key, None)
            return key
        return key if key in self._old else OVERFLOW

    def note(self, key: str, said: Said) -> None:
        """Remember the latest of an admitted key."""
        generation = self._old if key in self._old else self._young
        generation[key] = said

    def get(self, key: str) -> Said | None:
        """The latest, if there is any."""
        return self._young.get(key) or self._old.get(key)

    def uses(self, now: float) -> Iterator[Use]:
        """What is in use, those first that came last."""
        latest = islice(chain(reversed(self._young.items()), reversed(self._old.items())), LOOKED_AT)
        return (said.use(key, now) for key, said in latest if said is not None)
