"""Listeners that wait for slow clients without end (Slowloris)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gateway.audit.model import Check, Found, System

LONG_HEADER: Final = 60.0
"""Seconds for a request's head: no honest client needs more."""
LONG_GRACE: Final = 300.0


def find(system: System) -> Iterator[Found]:
    """A body rate that is switched off, or times beyond all need."""
    for index, listener in enumerate(system.spec.listeners):
        subject = f"listener {listener.name}"
        if not listener.min_body_rate:
            yield Found(("listeners", index, "minBodyRate"), subject, "a body may arrive as slowly as it likes")
        elif listener.body_grace > LONG_GRACE:
            told = f"a body may be slow for {listener.body_grace:.0f} s"
            yield Found(("listeners", index, "bodyGrace"), subject, told, "low")
        if listener.header_timeout > LONG_HEADER:
            told = f"a head may take {listener.header_timeout:.0f} s"
            yield Found(("listeners", index, "headerTimeout"), subject, told)


CHECK = Check(
    id="slow-clients",
    severity="medium",
    title="A listener waits for slow clients for long",
    why="A few machines that send a byte now and then hold every connection that there is.",
    fix="Leave `headerTimeout`, `bodyGrace` and `minBodyRate` at their defaults.",
    owasp="API4:2023",
    find=find,
)
