"""Canaries that nothing takes back."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.audit.chains import routes
from gateway.audit.model import Check, Found, System


def find(system: System) -> Iterator[Found]:
    """Canaries that may fail as often and be as slow as they like."""
    for path, route in routes(system):
        if route.canary is not None:
            rules = route.canary.rollback
            if rules.error_ratio >= 1 and rules.latency is None:
                yield Found((*path, "canary"), f"route {route.name}", "neither errors nor latency take it back")


CHECK = Check(
    id="unguarded-canary",
    severity="low",
    title="A canary is not taken back by itself",
    why="A version that fails for its share of the users goes on failing until somebody looks.",
    fix="Give `rollback` an `errorRatio` below 1.0, or a `latency`.",
    find=find,
)
