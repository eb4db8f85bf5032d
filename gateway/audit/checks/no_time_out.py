"""Exchanges that may last for ever."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.audit.chains import answers_itself, routes
from gateway.audit.model import Check, Found, System


def find(system: System) -> Iterator[Found]:
    """Routes whose `timeouts.request` is switched off; without `idle` either, nothing ends a silent exchange."""
    for path, route in routes(system):
        timeouts = route.timeouts
        if timeouts.request or answers_itself(system, route):
            continue
        told = "an exchange may last as long as bytes come"
        if timeouts.idle:
            yield Found((*path, "timeouts", "request"), f"route {route.name}", f"{told} every {timeouts.idle:g} s")
        else:
            told = "nothing ever ends a silent exchange"
            yield Found((*path, "timeouts", "idle"), f"route {route.name}", told, "high")


CHECK = Check(
    id="no-time-out",
    severity="medium",
    title="A route has no time-out for the whole exchange",
    why="A service that hangs holds connections and memory here until nothing is left for the others.",
    fix="Leave `timeouts.request` at 15s. For event streams and downloads switch it off, keep `idle`, and accept it.",
    owasp="API4:2023",
    find=find,
)
