"""Limits that only count."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.audit.chains import enforced, is_limit, routes
from gateway.audit.model import Check, Found, Path, System
from gateway.spec.models import FilterSpec


def find(system: System) -> Iterator[Found]:
    """Limits in shadow mode, each where it stands."""
    for index, one in enumerate(system.spec.filters):
        yield from _found(one, ("filters", index), "all routes")
    for path, route in routes(system):
        for index, one in enumerate(route.filters):
            yield from _found(one, (*path, "filters", index), f"route {route.name}")


def _found(one: FilterSpec, path: Path, subject: str) -> Iterator[Found]:
    if is_limit(one) and not enforced(one):
        yield Found(path, subject, f"{one.type} counts and never refuses")


CHECK = Check(
    id="shadow-limit",
    severity="low",
    title="A limit is in shadow mode",
    why="It looks like protection in the configuration and is none; shadow mode is for the days of trying out.",
    fix="Look at gateway_shadow_denials_total; when it says what you expect, remove `enforced: false`.",
    owasp="API4:2023",
    find=find,
)
