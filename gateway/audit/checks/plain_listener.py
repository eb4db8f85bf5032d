"""Clients that talk to the gateway in clear text over a network."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from gateway.audit.model import Check, Found, System


def find(system: System) -> Iterator[Found]:
    """Listeners without TLS on another address than loopback."""
    for index, listener in enumerate(system.spec.listeners):
        if listener.tls is None and not ipaddress.ip_address(listener.address).is_loopback:
            told = f"plain HTTP on {listener.address}"
            yield Found(("listeners", index, "address"), f"listener {listener.name}", told)


CHECK = Check(
    id="plain-listener",
    severity="high",
    title="A listener without TLS can be reached from other machines",
    why="Everybody on the way reads tokens and answers, and can change them.",
    fix="Give it `tls`, or bind it to 127.0.0.1. Where a load balancer on the same host ends TLS, accept it.",
    owasp="API8:2023",
    find=find,
)
