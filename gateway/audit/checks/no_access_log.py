"""A gateway that keeps no record."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.audit.model import Check, Found, System


def find(system: System) -> Iterator[Found]:
    """The access log is switched off."""
    if not system.spec.access_log.enabled:
        yield Found(("accessLog", "enabled"), "access log", "is switched off")


CHECK = Check(
    id="no-access-log",
    severity="medium",
    title="No access log is written",
    why="After an incident nobody can tell who did what.",
    fix="Remove `accessLog: {enabled: false}`; tokens, cookies and queries are never in it.",
    owasp="API8:2023",
    find=find,
)
