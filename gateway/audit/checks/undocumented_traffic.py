"""Operations that are used and described nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gateway.audit.chains import described, routes
from gateway.audit.model import Check, Found, System
from gateway.audit.openapi import Operation
from gateway.audit.reach import Reach, upstream_path

SHOWN: Final = 3


def find(system: System) -> Iterator[Found]:
    """Requests that a service with an OpenAPI document answered (404 and 405 aside) and the document does not know."""
    if system.running is None:
        return
    for path, route in routes(system):
        if described(system, route):
            continue
        unknown: dict[str, int] = {}
        for one in system.running.seen:
            known = system.running.documents.get(one.cluster, ())
            if one.route == route.name and known and one.status not in (404, 405):
                asked = Operation(one.method, upstream_path(route, one.path))
                if not any(Reach(asked.method, "Exact", asked.path).meets(operation) for operation in known):
                    unknown[str(asked)] = unknown.get(str(asked), 0) + 1
        if unknown:
            yield Found(path, f"route {route.name}", _told(unknown))


def _told(unknown: dict[str, int]) -> str:
    most = sorted(unknown.items(), key=lambda item: -item[1])
    listed = ", ".join(f"{asked[:100]} ({count})" for asked, count in most[:SHOWN])
    return listed + (f" and {len(most) - SHOWN} more" if len(most) > SHOWN else "")


CHECK = Check(
    id="undocumented-traffic",
    severity="medium",
    title="Operations are used that the service's OpenAPI document does not name",
    why="What is not described is not reviewed, not tested, and forgotten when something is fixed (a shadow API).",
    fix="Describe it in the service's document, or narrow the route until it cannot be reached.",
    owasp="API9:2023",
    find=find,
    needs_running=True,
    comes_and_goes=True,
)
