"""OpenAPI documents: which operations a service says it has.

The problem: a document comes from a service, which is not trusted, and the audit wants its paths and methods only. The
rule: read those, bounded, and nothing else; a document that is none counts as absent. `gateway.importing` reads more of
a document that somebody gives it, and reports what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

METHODS: Final = frozenset({"get", "put", "post", "delete", "options", "patch", "trace"})
"""OpenAPI 3.1, Path Item Object; HEAD follows from GET (RFC 9110 section 9.3.2)."""
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
    base, paths = base_path(document), document.get("paths")
    found = [
        Operation(method.upper(), f"{base}{path}")
        for path, item in (paths.items() if isinstance(paths, dict) else ())
        if isinstance(path, str) and path.startswith("/") and len(path) <= MAX_PATH and isinstance(item, dict)
        for method in item
        if method in METHODS
    ]
    return tuple(found[:MAX_OPERATIONS])


def base_path(document: Mapping[str, Any]) -> str:
    """The path of the first server: paths are relative to it."""
    try:
        return urlsplit(server_url(document)).path.rstrip("/")
    except ValueError:
        return ""


def server_url(document: Mapping[str, Any]) -> str:
    """The address of the first server, its variables at their defaults (OpenAPI 3.1, Server Object); or ""."""
    servers = document.get("servers")
    first = servers[0] if isinstance(servers, Sequence) and servers else None
    if not isinstance(first, Mapping) or not isinstance(first.get("url"), str):
        return ""
    variables = first.get("variables")
    known = variables if isinstance(variables, Mapping) else {}

    def default(match: re.Match[str]) -> str:
        said = known.get(match[1])
        return str(said.get("default", match[0])) if isinstance(said, Mapping) else match[0]

    return re.sub(r"\{([^{}]*)\}", default, first["url"])
