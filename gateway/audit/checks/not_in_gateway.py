"""Operations that a service describes and no route serves."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.audit.model import Check, Found, System
from gateway.audit.reach import reaches


def find(system: System) -> Iterator[Found]:
    """Operations of OpenAPI documents that no route to their cluster can meet, by cluster."""
    documents = system.running.documents if system.running else {}
    for index, cluster in enumerate(system.spec.clusters):
        ways = [reach for route in system.spec.routes if cluster.name in route.destinations for reach in reaches(route)]
        for operation in documents.get(cluster.name, ()):
            if not any(reach.meets(operation) for reach in ways):
                yield Found(("clusters", index), f"cluster {cluster.name}", f"{operation} is described and not routed")


CHECK = Check(
    id="not-in-gateway",
    severity="info",
    title="An operation is described that no route serves",
    why="Clients who read the document will try it; or it is internal and should not be in the public document.",
    fix="Add a route with its own filters, or take it out of the document.",
    owasp="API9:2023",
    find=find,
    needs_running=True,
)
