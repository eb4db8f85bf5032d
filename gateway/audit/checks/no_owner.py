"""Routes that nobody answers for."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.audit.chains import routes
from gateway.audit.model import Check, Found, System


def find(system: System) -> Iterator[Found]:
    """Routes without `owner`."""
    for path, route in routes(system):
        if not route.owner:
            yield Found(path, f"route {route.name}", "has no owner")


CHECK = Check(
    id="no-owner",
    severity="low",
    title="A route has no owner",
    why="When it breaks or leaks, nobody knows whom to ask, and nobody dares to remove it.",
    fix="Write who answers for it: `owner: orders-team`.",
    owasp="API9:2023",
    find=find,
)
