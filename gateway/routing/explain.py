"""Why a request takes the route it takes, or none: what every near candidate wanted.

The problem: "404 no_route" sends people reading configuration for an hour. The rule: the same candidates in the
same order as in matching, each with one sentence. `near_misses` costs no more than a match and serves the 404
page; `explain` also looks at other host names and serves `gatehouse explain`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeVar

from gateway.routing.entry import Condition, Details, Entry
from gateway.routing.table import RouteTable

T = TypeVar("T")

MOST: Final = 20
"""How many candidates are told of."""


@dataclass(frozen=True, slots=True)
class Considered:
    """One candidate: `chosen` is true for the route that is taken."""

    route: str
    where: str
    chosen: bool
    text: str

    def __str__(self) -> str:
        return f"{self.route} {self.text}"


def explain(table: RouteTable[T], host: str, path: str, method: str, request: Details) -> list[Considered]:
    """Every route whose path matches, most specific first, and then those for other hosts."""
    told = list(islice(_ranked(table, host, path, method, request), MOST))
    others = islice(table.elsewhere(host, path), MOST - len(told))
    return told + [_considered(entry, f"matched the path but wants host {entry.hostname}") for entry in others]


def near_misses(table: RouteTable[T], host: str, path: str, method: str, request: Details) -> list[Considered]:
    """What a request without a route came near to; costs about as much as a match."""
    return [item for item in islice(_ranked(table, host, path, method, request), MOST) if not item.chosen]


def _ranked(table: RouteTable[T], host: str, path: str, method: str, request: Details) -> Iterator[Considered]:
    winner: Entry[T] | None = None
    for entry in table.candidates(host, path):
        wanted = _unfulfilled(entry, method, request)
        if wanted:
            yield _considered(entry, f"matched the path but wants {' and '.join(wanted)}")
        elif winner is None:
            winner = entry
            yield _considered(entry, "matched", chosen=True)
        elif entry.route is not winner.route:
            yield _considered(entry, f"would match too; {winner.route.name} goes first: {_advantage(winner, entry)}")


def _considered(entry: Entry[T], text: str, *, chosen: bool = False) -> Considered:
    return Considered(entry.route.name, entry.route.where, chosen, text)


def _unfulfilled(entry: Entry[T], method: str, request: Details) -> list[str]:
    wanted = [f"method {entry.method}"] if entry.method not in (None, method) else []
    return wanted + [_wish(condition, request) for condition in entry.conditions if not condition.holds(request)]


def _wish(condition: Condition, request: Details) -> str:
    return f"{condition} ({'absent' if condition.value(request) is None else 'has another value'})"


def _advantage(winner: Entry[T], other: Entry[T]) -> str:
    """The first step of precedence in which the two differ."""
    if winner.hostname != other.hostname:
        return "its host name is more specific"
    if winner.match.path.type != other.match.path.type:
        return f"{winner.match.path.type} goes before {other.match.path.type}"
    if len(winner.prefix) != len(other.prefix):
        return "its prefix is longer"
    reasons = ("it names a method", "it asks for more headers", "it asks for more query parameters")
    for reason, one, another in zip(reasons, winner.specificity(), other.specificity(), strict=False):
        if one != another:
            return reason
    return "it stands first in the file"
