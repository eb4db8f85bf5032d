"""Which of two matches gets a request that both would take.

The problem: precedence goes by how specific a match is and not by the order in the file, so a route can stand there
for years and never be reached. The rule: `always_first` is true only where it can be proved from the two matches;
two regular expressions are never compared.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from gateway.audit.chains import conditions
from gateway.audit.model import System
from gateway.spec.models import Match, PathMatch, Route

_SPECIAL: Final = re.compile(r"[\\.^$*+?{}\[\]()]")


@dataclass(frozen=True, slots=True)
class Place:
    """One match of one route, and its place in the file."""

    route: Route
    match: Match
    route_index: int
    match_index: int
    listeners: frozenset[str]
    hosts: frozenset[str]
    wanted: frozenset[tuple[str, str, str, str]]
    """Its conditions besides host, path and method."""

    @property
    def order(self) -> tuple[int, int]:
        """The last resort of precedence."""
        return (self.route_index, self.match_index)


def places(system: System) -> list[Place]:
    """Every match of the file."""
    everywhere = frozenset(one.name for one in system.spec.listeners)
    return [
        Place(route, match, index, position, frozenset(route.listeners) or everywhere, hosts, conditions(match))
        for index, route in enumerate(system.spec.routes)
        for hosts in [frozenset(route.hostnames or ("",))]
        for position, match in enumerate(route.matches)
    ]


def always_first(one: Place, other: Place) -> bool:
    """Whether `one` takes every request that `other` would match."""
    if not (other.listeners <= one.listeners and other.hosts <= one.hosts):
        return False
    if one.match.method not in (None, other.match.method):
        return False
    return one.wanted <= other.wanted and _path_first(one, other)


def _path_first(one: Place, other: Place) -> bool:
    mine, theirs = one.match.path, other.match.path
    if mine.type == theirs.type and _value(mine) == _value(theirs):
        return _rank(one) < _rank(other)
    return mine.type == "PathPrefix" and theirs.type == "RegularExpression" and below(_literal(theirs.value), mine)


def below(path: str, prefix: PathMatch) -> bool:
    """Whether a path lies below a prefix, by whole segments; everything lies below `/`."""
    return f"{path}/".startswith(f"{_value(prefix)}/") or not _value(prefix)


def _value(path: PathMatch) -> str:
    return path.value.rstrip("/") if path.type == "PathPrefix" else path.value


def _rank(place: Place) -> tuple[bool, int, int, tuple[int, int]]:
    """As `gateway.routing.entry.Entry.specificity`: the smallest goes first."""
    match = place.match
    return (match.method is None, -len(match.headers), -len(match.query_params), place.order)


def _literal(pattern: str) -> str:
    """Whole segments with which every path begins that the expression matches; "" when that is not plain to see."""
    if "|" in pattern or pattern.startswith("(?"):
        return ""
    special = _SPECIAL.search(pattern)
    start = pattern if special is None else pattern[: special.start()]
    return start if special is None else start[: max(start.rfind("/"), 0)]
