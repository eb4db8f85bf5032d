"""Caches on routes whose callers are known."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.audit.chains import authenticates, chain, routes
from gateway.audit.model import Check, Found, System


def find(system: System) -> Iterator[Found]:
    """Protected routes with a Cache: there an answer is shared as soon as it says so (RFC 9111 section 3.5)."""
    for path, route in routes(system):
        if authenticates(system, route) and any(one.type == "Cache" for one in chain(system, route)):
            told = "answers that say public, s-maxage or must-revalidate are given to every caller who passes"
            yield Found(path, f"route {route.name}", told)


CHECK = Check(
    id="cached-callers",
    severity="low",
    title="A cache keeps answers to callers who are known",
    why="One Cache-Control that a framework adds by itself, and one caller's answer is everybody's.",
    fix="Look at what the service says of its answers; where all of them are for all callers, accept it.",
    owasp="API1:2023",
    find=find,
)
