"""A system that does not run what its file says."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.audit.model import Check, Found, System


def find(system: System) -> Iterator[Found]:
    """The latest reload was refused."""
    if system.running is not None and system.running.refused_reload:
        yield Found((), "the running configuration", system.running.refused_reload)


CHECK = Check(
    id="refused-reload",
    severity="medium",
    title="What runs is not what the file says",
    why="The latest reload was refused and the last good configuration serves on: a change that somebody believes to "
    "be in force is not.",
    fix="`gatehouse check FILE` shows every mistake with its line.",
    owasp="API8:2023",
    find=find,
    needs_running=True,
    comes_and_goes=True,
)
