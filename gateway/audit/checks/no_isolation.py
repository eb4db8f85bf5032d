"""Processes that say that the operating system does not hold them."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.audit.model import Check, Found, System

ENFORCED = "enforced"
PARTIAL = "partial"


def find(system: System) -> Iterator[Found]:
    """What processes say that are meant to be confined, and are not wholly."""
    for process, said in (system.running.isolation if system.running else {}).items():
        if not said.startswith(ENFORCED):
            yield Found((), f"process {process}", said, "low" if said.startswith(PARTIAL) else None)


CHECK = Check(
    id="no-isolation",
    severity="medium",
    title="A service that is taken over is not held by the operating system",
    why="It can read other services' databases and every secret of this user, and connect to their ports.",
    fix="Run it where Landlock is (Linux 6.12 or newer, and no container that forbids it); `gatehouse doctor` tries "
    "it. On a machine for learning, accept it.",
    owasp="API8:2023",
    find=find,
    needs_running=True,
)
