"""Descriptions that requests are compared with, and not held to."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.audit.chains import routes
from gateway.audit.model import Check, Found, Path, System
from gateway.spec.models import FilterSpec
from gateway.spec.validation import OpenApiValidation


def find(system: System) -> Iterator[Found]:
    """Filters that only report what does not fit, or do not look, each where it stands."""
    for index, one in enumerate(system.spec.filters):
        yield from _found(one, ("filters", index), "all routes")
    for path, route in routes(system):
        for index, one in enumerate(route.filters):
            yield from _found(one, (*path, "filters", index), f"route {route.name}")


def _found(one: FilterSpec, path: Path, subject: str) -> Iterator[Found]:
    if not isinstance(one, OpenApiValidation):
        return
    modes = {"operations": one.undocumented, "parameters": one.request.parameters, "bodies": one.request.body}
    passing = [what for what, mode in modes.items() if mode != "enforce"]
    if passing:
        yield Found(path, subject, f"{' and '.join(passing)} that its document does not describe pass")


CHECK = Check(
    id="unenforced-schema",
    severity="low",
    title="Requests pass that the API's own document does not describe",
    why="The document looks like protection and is none: a field or parameter that nobody thought of goes in.",
    fix="Look at gateway_schema_violations_total; when it says what you expect, set the modes to enforce.",
    owasp="API3:2023",
    find=find,
)
