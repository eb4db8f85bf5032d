"""Mediation in its chain: once, in front of the service's guard, on a route whose matches reach what is offered."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.spec.checks.finding import Finding, Path
from gateway.spec.guards import GraphQLGuard, SoapGuard
from gateway.spec.mediation import GraphQLToRest, Mediation, SoapToRest
from gateway.spec.models import FilterSpec, Match, Route
from gateway.spec.regular import compile_pattern

_GUARDS = {SoapToRest: SoapGuard, GraphQLToRest: GraphQLGuard}


def check_mediation(route: Route, before: tuple[FilterSpec, ...], path: Path) -> Iterator[Finding]:
    """One route; `before` are the filters of every route, `path` leads to this one."""
    filters = (*before, *route.filters)
    first = next((one for one in filters if isinstance(one, Mediation)), None)
    if first is None:
        return
    for index, item in enumerate(route.filters):
        place: Path = (*path, "filters", index)
        if isinstance(item, Mediation) and item is not first:
            yield Finding(place, "a request is said in another style once: a filter before it has done so")
        elif isinstance(item, Mediation):
            yield from _check_matches(item, route, place)
        elif isinstance(item, _GUARDS.get(type(first), ())) and item in filters[: filters.index(first)]:
            yield Finding(place, f"would see REST and refuse it: after {first.type} it sees what the service sees")
    if route.errors != "problem":
        yield Finding((*path, "errors"), f"clients of {first.type} read problem+json: leave errors out")


def _check_matches(item: Mediation, route: Route, path: Path) -> Iterator[Finding]:
    for index, one in enumerate(item.offered):
        if not any(_reaches(match, one.method, one.path) for match in route.matches):
            message = f"no match of route {route.name} reaches {one.method} {one.path}"
            yield Finding((*path, item.offers_key, index, "path"), message)
    if item.openapi and not any(_reaches(match, "GET", item.openapi) for match in route.matches):
        yield Finding((*path, "openapi"), f"no match of route {route.name} reaches GET {item.openapi}")


def _reaches(match: Match, method: str, template: str) -> bool:
    """Whether some request for an operation takes this match."""
    if match.method not in (None, method):
        return False
    if match.path.type == "RegularExpression":
        try:
            return "{" in template or compile_pattern(match.path.value).fullmatch(template) is not None
        except ValueError:
            return True  # told where it stands
    wanted, offered = _segments(match.path.value), _segments(template)
    if len(wanted) != len(offered) and (match.path.type == "Exact" or len(wanted) > len(offered)):
        return False
    return all(one == two or two.startswith("{") for one, two in zip(wanted, offered, strict=False))


def _segments(path: str) -> list[str]:
    return path.rstrip("/").split("/")[1:]
