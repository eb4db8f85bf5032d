"""Routes of which nobody can say which API they serve."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.audit.chains import routes
from gateway.audit.model import Check, Found, System


def find(system: System) -> Iterator[Found]:
    """Routes without `version`."""
    for path, route in routes(system):
        if not route.version:
            yield Found(path, f"route {route.name}", "has no version")


CHECK = Check(
    id="no-version",
    severity="info",
    title="A route has no version",
    why="Without one an old API beside a new one cannot be told from it in the inventory.",
    fix="Write the version of the API behind it: `version: v1`.",
    owasp="API9:2023",
    find=find,
)
