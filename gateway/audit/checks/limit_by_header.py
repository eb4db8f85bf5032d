"""Limits that a client evades by sending something else."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.audit.chains import enforced, limits, routes
from gateway.audit.model import Check, Found, System
from gateway.spec.models import FilterSpec


def find(system: System) -> Iterator[Found]:
    """Routes on which every enforced limit counts by a header, which is the client's to choose."""
    for path, route in routes(system):
        keys = [_header(one) for one in limits(system, route) if enforced(one)]
        if keys and all(keys):
            told = f"its limit counts by header {' and '.join(dict.fromkeys(keys))}, which clients choose"
            yield Found((*path, "filters"), f"route {route.name}", told)


def _header(one: FilterSpec) -> str:
    """The header that a limit counts by; "" when it counts by something else."""
    key = getattr(one, "key", None)
    return str(key.name) if key is not None and key.type == "Header" else ""


CHECK = Check(
    id="limit-by-header",
    severity="medium",
    title="A limit counts by what the client chooses",
    why="A client that sends another value with each request has a full bucket each time.",
    fix="Count by address or by a claim of the verified token; a limit by header may stand beside that one.",
    owasp="API4:2023",
    find=find,
)
