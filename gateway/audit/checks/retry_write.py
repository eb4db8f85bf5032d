"""Requests that may be carried out twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from gateway.audit.chains import routes
from gateway.audit.model import Check, Found, Path, System

KEYS: Final = ("retry", "retries", "retryPolicy")
"""What the keys of routes and clusters are called that speak of retries."""
NOT_IDEMPOTENT: Final = ("POST", "PATCH")
"""RFC 9110 section 9.2.2: sending them twice may do it twice."""


def find(system: System) -> Iterator[Found]:
    """Retries whose methods name POST or PATCH."""
    for path, route in routes(system):
        yield from _found(route.model_dump(mode="json", by_alias=True), path, f"route {route.name}")
    for index, cluster in enumerate(system.spec.clusters):
        keys = cluster.model_dump(mode="json", by_alias=True)
        yield from _found(keys, ("clusters", index), f"cluster {cluster.name}")


def _found(keys: dict[str, Any], path: Path, subject: str) -> Iterator[Found]:
    for key in KEYS:
        retries = keys.get(key)
        methods = retries.get("methods") if isinstance(retries, dict) else None
        repeated = [method for method in methods or () if method in NOT_IDEMPOTENT]
        if repeated:
            yield Found((*path, key), subject, f"{', '.join(repeated)} may be sent again after a failure")


CHECK = Check(
    id="retry-write",
    severity="high",
    title="Requests that change something are repeated",
    why="A time-out does not say whether the service had done its work: the order is placed twice.",
    fix="Take POST and PATCH out of the retried methods; where the service recognises repeats, write "
    "`idempotencyKeys: true` instead, which repeats only requests that carry a key.",
    find=find,
)
