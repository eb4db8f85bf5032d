"""Questions about routes that several checks ask: which filters run, who may call, what is limited."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from gateway.audit.model import Path, System
from gateway.spec.checks.protection import proves_identity
from gateway.spec.filters import AuthorizationPolicy, Rule
from gateway.spec.mediation import Mediation
from gateway.spec.models import FilterSpec, Listener, Match, Route

WRITES: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
"""Methods that are meant to change something (RFC 9110 section 9.2.1: the others are safe)."""


def routes(system: System) -> Iterator[tuple[Path, Route]]:
    """Every route with its place."""
    for index, route in enumerate(system.spec.routes):
        yield ("routes", index), route


def chain(system: System, route: Route) -> tuple[FilterSpec, ...]:
    """The filters that run on a route: those of the whole file, then its own."""
    return system.spec.filters + route.filters


def answers_itself(system: System, route: Route) -> bool:
    """Whether no service ever sees its requests (a redirect)."""
    return any(one.type in system.answering for one in chain(system, route))


def authenticates(system: System, route: Route) -> bool:
    """Whether only known callers pass, as the loader judges it (gateway.spec.checks.protection)."""
    return any(proves_identity(one, system.authenticating) for one in chain(system, route))


def closed(system: System, route: Route) -> bool:
    """Whether nobody passes: a DENY rule without any condition but methods, and those are all that the route takes."""
    taken = {match.method for match in route.matches}
    policies = [one for one in chain(system, route) if isinstance(one, AuthorizationPolicy) and one.enforced]
    return any(_denies(rule, taken) for policy in policies for rule in policy.deny)


def _denies(rule: Rule, taken: set[str | None]) -> bool:
    only_methods = rule.unless is None and rule.model_copy(update={"methods": ()}).empty
    return only_methods and taken <= set(rule.methods)


def writing_methods(route: Route) -> list[str]:
    """The methods of its matches that change something; `any method` for a match that names none."""
    methods = [match.method or "any method" for match in route.matches]
    return sorted({method for method in methods if method in WRITES or method == "any method"})


def limits(system: System, route: Route) -> list[FilterSpec]:
    """Filters that bound how much a caller may do, enforced or not: whatever its type calls a limit or a quota."""
    return [one for one in chain(system, route) if is_limit(one)]


def is_limit(one: FilterSpec) -> bool:
    """Whether a filter is one, ours or somebody's own."""
    return "Limit" in one.type or "Quota" in one.type


def enforced(one: FilterSpec) -> bool:
    """Whether a limit refuses; in shadow mode it only counts."""
    return bool(getattr(one, "enforced", True))


def by_type(system: System, kind: str) -> Iterator[tuple[Path, str, dict[str, Any]]]:
    """Every filter of this type: its place, whom it serves, and its keys as the file names them."""
    for index, one in enumerate(system.spec.filters):
        if one.type == kind:
            yield ("filters", index), "all routes", one.model_dump(mode="json", by_alias=True)
    for path, route in routes(system):
        for index, one in enumerate(route.filters):
            if one.type == kind:
                yield (*path, "filters", index), f"route {route.name}", one.model_dump(mode="json", by_alias=True)


def described(system: System, route: Route) -> bool:
    """Whether the gateway itself describes what the route offers: its paths are not those of the service."""
    return any(isinstance(one, Mediation) and one.openapi for one in chain(system, route))


def listeners_of(system: System, route: Route) -> list[Listener]:
    """The listeners that a route serves."""
    return [one for one in system.spec.listeners if not route.listeners or one.name in route.listeners]


def conditions(match: Match) -> frozenset[tuple[str, str, str, str]]:
    """What a match asks for besides host, path and method, in a form that can be compared."""
    headers = {("header", one.name.lower(), one.type, one.value) for one in match.headers}
    return frozenset(headers | {("parameter", one.name, one.type, one.value) for one in match.query_params})
