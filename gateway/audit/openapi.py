"""OpenAPI documents: which operations a service says it has.

The problem: a document comes from a service, which is not trusted, and only its paths and methods matter here. The
rule: read those, bounded, and nothing else; a document that is none counts as absent.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from gateway.spec.openapi import paths

METHODS: Final = paths.METHODS - {"head"}
"""HEAD follows from GET (RFC 9110 section 9.3.2)."""
MAX_OPERATIONS: Final = 2_000
MAX_PATH: Final = 500


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
    base, listed = paths.server_path(document), document.get("paths")
    found = [
        Operation(method.upper(), f"{base}{path}")
        for path, item in (listed.items() if isinstance(listed, dict) else ())
        if isinstance(path, str) and path.startswith("/") and len(path) <= MAX_PATH and isinstance(item, dict)
        for method in item
        if method in METHODS
    ]
    return tuple(found[:MAX_OPERATIONS])
