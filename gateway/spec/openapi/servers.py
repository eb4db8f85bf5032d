"""Where a document says its service is.

The rule: the first server counts, its variables at their defaults; what is no address is none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit


def server_path(document: Mapping[str, Any]) -> str:
    """The path of the first server (OpenAPI 3.1, Server Object): paths of the document are relative to it."""
    try:
        return urlsplit(server_url(document)).path.rstrip("/")
    except ValueError:
        return ""


def server_url(document: Mapping[str, Any]) -> str:
    """The address of the first server, its variables at their defaults (OpenAPI 3.1, Server Object); or ""."""
    servers = document.get("servers")
    first = servers[0] if isinstance(servers, list | tuple) and servers else None
    if not isinstance(first, Mapping) or not isinstance(first.get("url"), str):
        return ""
    variables = first.get("variables")
    known = variables if isinstance(variables, Mapping) else {}

    def default(match: re.Match[str]) -> str:
        said = known.get(match[1])
        return str(said.get("default", match[0])) if isinstance(said, Mapping) else match[0]

    return re.sub(r"\{([^{}]*)\}", default, first["url"])
