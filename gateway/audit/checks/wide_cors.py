"""Cross-origin access for every page of the web."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.audit.chains import by_type
from gateway.audit.model import Check, Found, System


def find(system: System) -> Iterator[Found]:
    """CORS filters (Gateway API HTTPCORSFilter) whose origins are `*` or hold a wildcard."""
    for path, subject, keys in by_type(system, "CORS"):
        wide = [origin for origin in _texts(keys.get("allowOrigins")) if "*" in origin]
        if wide:
            credentials = keys.get("allowCredentials") is True
            told = f"pages of {', '.join(wide)} may read its answers"
            if credentials:
                yield Found((*path, "allowOrigins"), subject, f"{told}, with the user's cookies", "high")
            else:
                yield Found((*path, "allowOrigins"), subject, told)


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list | tuple) else []


CHECK = Check(
    id="wide-cors",
    severity="medium",
    title="CORS allows every origin",
    why="Any page that a user opens may read what this route answers; with credentials, in the user's name.",
    fix="List the origins of your own pages in `allowOrigins`. For public data without credentials, accept it.",
    owasp="API8:2023",
    find=find,
)
