"""Routes that lead to nothing that the service describes."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.audit.chains import described, routes
from gateway.audit.model import Check, Found, System
from gateway.audit.reach import reaches


def find(system: System) -> Iterator[Found]:
    """Matches that meet no operation of the OpenAPI document of any of the route's clusters."""
    documents = system.running.documents if system.running else {}
    for path, route in routes(system):
        known = [documents.get(ref.cluster, ()) for ref in route.backend_refs]
        if not known or not all(known) or described(system, route):
            continue
        for index, reach in enumerate(reaches(route)):
            if not any(reach.meets(operation) for operations in known for operation in operations):
                request = f"{reach.method or 'any method'} {route.matches[index].path.value}"
                told = f"{request} meets no operation of its document"
                yield Found((*path, "matches", index), f"route {route.name}", told)


CHECK = Check(
    id="not-in-openapi",
    severity="low",
    title="A route leads to what the service's OpenAPI document does not name",
    why="Either the document is incomplete, or the way is open to something that was not meant for outside.",
    fix="Describe the operation, or take the route out. Where it belongs to another API (SOAP, a page), accept it.",
    owasp="API9:2023",
    find=find,
    needs_running=True,
)
