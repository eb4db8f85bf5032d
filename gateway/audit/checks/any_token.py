"""Routes on which any valid token will do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gateway.audit.chains import answers_itself, authenticates, chain, enforced, routes
from gateway.audit.model import Check, Found, System

ONE_PURPOSE: Final = frozenset({"WebhookSignature"})
"""What proves who somebody is by a secret that is good for nothing else."""


def find(system: System) -> Iterator[Found]:
    """Routes that authenticate and authorize nothing: no filter whose type speaks of authorization."""
    for path, route in routes(system):
        filters = chain(system, route)
        others = [one for one in filters if one.type not in system.authenticating]
        authorizes = any("Auth" in one.type and enforced(one) for one in others)
        narrow = any(one.type in ONE_PURPOSE for one in filters)
        if authenticates(system, route) and not authorizes and not narrow and not answers_itself(system, route):
            yield Found((*path, "filters"), f"route {route.name}", "every valid token may call it, whatever it is for")


CHECK = Check(
    id="any-token",
    severity="medium",
    title="A route asks who somebody is, and not what they may do",
    why="A token that was issued for reading one thing opens this as well.",
    fix="Add an Authorize filter with the scopes or claims that it takes. Where the service itself decides finer than "
    "the gateway can, accept it with that reason.",
    owasp="API5:2023",
    find=find,
)
