"""Routes on which everybody may change something."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.audit.chains import answers_itself, closed, routes, writing_methods
from gateway.audit.model import Check, Found, System


def find(system: System) -> Iterator[Found]:
    """Public routes that take a writing method, or any method."""
    for path, route in routes(system):
        methods = writing_methods(route)
        if route.public and methods and not answers_itself(system, route) and not closed(system, route):
            yield Found((*path, "public"), f"route {route.name}", f"everybody may send {', '.join(methods)}")


CHECK = Check(
    id="public-write",
    severity="high",
    title="A public route takes methods that change something",
    why="Whoever reaches the gateway can change data without saying who they are.",
    fix="Put a filter that authenticates before it, or name only the methods that read. Where the body itself is the "
    "proof (a password, a code), accept it with that reason.",
    owasp="API2:2023",
    find=find,
)
