"""Routes that may be called as often as somebody likes."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.audit.chains import answers_itself, enforced, limits, routes
from gateway.audit.model import Check, Found, System


def find(system: System) -> Iterator[Found]:
    """Routes without an enforced limit, their own or of the whole file."""
    for path, route in routes(system):
        if not answers_itself(system, route) and not any(map(enforced, limits(system, route))):
            who = "everybody" if route.public else "a known caller"
            yield Found(path, f"route {route.name}", f"{who} may call it without end", "high" if route.public else None)


CHECK = Check(
    id="no-limit",
    severity="medium",
    title="A route has no limit",
    why="One client can take all of the service behind it, guess passwords and ids, or run up its bill.",
    fix="Add a RateLimit filter: by address in the file's own `filters`, before tokens are checked, and by subject on "
    "the route.",
    owasp="API4:2023",
    find=find,
)
