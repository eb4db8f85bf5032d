"""Failures that somebody planted, and may have forgotten."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.audit.chains import routes
from gateway.audit.model import Check, Found, System
from gateway.upstream.faults import tell


def find(system: System) -> Iterator[Found]:
    """Routes with `faults`."""
    for path, route in routes(system):
        if route.faults is not None:
            yield Found((*path, "faults"), f"route {route.name}", tell(route.faults))


CHECK = Check(
    id="planted-faults",
    severity="high",
    title="Failures are planted on purpose",
    why="They are meant for trying out; left behind, they fail clients' requests, and whoever looks for the cause "
    "looks in the service.",
    fix="Take `faults` out when the trial is over. In a laboratory, accept it with that reason.",
    find=find,
)
