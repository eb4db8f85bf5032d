"""Copies of requests that carry the caller's credentials."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gateway.audit.chains import by_type
from gateway.audit.model import Check, Found, System

CREDENTIALS: Final = ("authorization", "cookie")


def find(system: System) -> Iterator[Found]:
    """Mirrors that do not withhold what a caller proves itself by."""
    for path, subject, keys in by_type(system, "RequestMirror"):
        passed = [name for name in CREDENTIALS if name not in keys["withhold"]]
        if passed:
            yield Found((*path, "withhold"), subject, f"copies to {keys['cluster']} carry {' and '.join(passed)}")


CHECK = Check(
    id="mirrored-credentials",
    severity="medium",
    title="Copies of requests carry credentials",
    why="Whoever reads the copies (a test version, its logs) can act as the users, and what a copy does with their "
    "rights it does a second time.",
    fix="Withhold `authorization` and `cookie`. Where the copy's service must see them, accept it with that reason.",
    owasp="API8:2023",
    find=find,
)
