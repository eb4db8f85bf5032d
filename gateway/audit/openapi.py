"""OpenAPI documents: which operations a service says it has.

The problem: a document comes from a service, which is not trusted, and the audit wants its paths and methods only. The
rule: read those, bounded, and nothing else; a document that is none counts as absent. `gateway.importing` reads more of
a document that somebody gives it, and reports what is wrong.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from gateway.spec.openapi.paths import MAX_OPERATIONS, MAX_PATH, METHODS
from gateway.spec.openapi.servers import server_path

LISTED: Final = METHODS - {"head"}
"""HEAD follows from GET (RFC 9110 section 9.3.2)."""


class Operation(NamedTuple):
    """A method and a path template, `/orders/{id}`, as the service itself is asked."""

    method: str
    path: str

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


def read_operations(document: Any) -> tuple[Operation, ...]:
    """The operations of a document; none when it is no OpenAPI document."""
    if not isinstance(document, dict) or not str(document.get("openapi", "")).startswith("3."):
        return ()
    base, listed = server_path(document), document.get("paths")
    found = [
        Operation(method.upper(), f"{base}{path}")
        for path, item in (listed.items() if isinstance(listed, dict) else ())
        if isinstance(path, str) and path.startswith("/") and len(path) <= MAX_PATH and isinstance(item, dict)
        for method in item
        if method in LISTED
    ]
    return tuple(found[:MAX_OPERATIONS])
