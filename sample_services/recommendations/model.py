"""The model: how often two products lay in one basket, made when the process starts.

Similarity is the cosine of two columns of the table "basket × product": baskets with both, over the geometric mean of
those with either (item-to-item collaborative filtering; Linden, Smith and York, IEEE Internet Computing 7(1), 2003). It
is small enough to be made anew at each start, so there is nothing to store and nothing to go stale on disk.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations
from math import sqrt


@dataclass(frozen=True)
class Match:
    """A product that goes with another; `score` from 0 to 1."""

    product_id: int
    score: float


class Model:
    """Products that go together. `name` says from which baskets: the same ones give the same name."""

    def __init__(self, baskets: Iterable[Sequence[int]]) -> None:
        kept = sorted(sorted(set(basket)) for basket in baskets)
        self.name = hashlib.sha256(json.dumps(kept).encode()).hexdigest()[:12]
        self._alone = Counter(product for basket in kept for product in basket)
        together = Counter(pair for basket in kept for pair in permutations(basket, 2))
        found: dict[int, list[Match]] = {}
        for (product, other), count in together.items():
            score = count / sqrt(self._alone[product] * self._alone[other])
            found.setdefault(product, []).append(Match(other, round(score, 3)))
        self._found = {
            product: sorted(matches, key=lambda one: (-one.score, one.product_id)) for product, matches in found.items()
        }

    def also(self, product: int, limit: int) -> list[Match]:
        """What goes best with it, the best first; nothing for a product that nobody has bought with another."""
        return self._found.get(product, [])[:limit]


def read_baskets(text: str) -> list[list[int]]:
    """Baskets from JSON: lists of product ids, and nothing about who bought them.

    Raises:
        ValueError: it is something else.
    """
    baskets = json.loads(text)
    if not isinstance(baskets, list) or not all(
        isinstance(basket, list) and all(type(product) is int and product > 0 for product in basket)
        for basket in baskets
    ):
        raise ValueError("baskets are lists of product ids")
    return baskets
