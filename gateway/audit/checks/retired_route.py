"""Routes that should be gone."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.audit.chains import routes
from gateway.audit.model import Check, Found, System


def find(system: System) -> Iterator[Found]:
    """Routes whose `lifecycle` is retired; deprecated ones that are still called."""
    for path, route in routes(system):
        calls = sum(one.route == route.name for one in system.running.seen) if system.running else 0
        called = f"; {calls} of the latest requests used it" if calls else ""
        if route.lifecycle == "retired":
            yield Found((*path, "lifecycle"), f"route {route.name}", f"is retired and still served{called}")
        elif route.lifecycle == "deprecated" and calls:
            yield Found((*path, "lifecycle"), f"route {route.name}", f"is deprecated{called}", "info")


CHECK = Check(
    id="retired-route",
    severity="medium",
    title="A retired route is still served",
    why="Old versions keep old weaknesses, and nobody tests them any more.",
    fix="Take the route out, or redirect it to its successor.",
    owasp="API9:2023",
    find=find,
)
