"""Matches that never get a request."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.audit.model import Check, Found, System
from gateway.audit.overlap import Place, always_first, places


def find(system: System) -> Iterator[Found]:
    """Matches of which another one always goes first."""
    every = places(system)
    for other in every:
        one = next((one for one in every if one is not other and always_first(one, other)), None)
        if one is not None:
            path = ("routes", other.route_index, "matches", other.match_index)
            yield Found(path, f"route {other.route.name}", f"{_request(other)} always goes to route {one.route.name}")


def _request(place: Place) -> str:
    return f"{place.match.method or 'any method'} {place.match.path.value}"


CHECK = Check(
    id="unreachable-match",
    severity="medium",
    title="A match is never reached",
    why="What its filters should refuse is decided by another route, with other filters.",
    fix="Take it out, or make it more specific: `gatehouse explain METHOD PATH` tells which route wins and why.",
    owasp="API9:2023",
    find=find,
)
