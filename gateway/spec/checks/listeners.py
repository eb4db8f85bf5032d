"""Listeners: unique names, and no two on one port of one address."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from gateway.spec.checks.finding import Finding, duplicates
from gateway.spec.models import Listener, Spec


def check_listeners(spec: Spec) -> Iterator[Finding]:
    """Duplicate names and clashing ports. Port 0 means "any free one" and clashes with nothing."""
    yield from duplicates((listener.name for listener in spec.listeners), ("listeners",), "listener")
    for index, listener in enumerate(spec.listeners):
        for other in spec.listeners[:index]:
            if listener.port == other.port != 0 and _overlap(listener, other):
                message = f'port {listener.port} is taken by listener "{other.name}"'
                yield Finding(("listeners", index, "port"), message)
                break


def _overlap(one: Listener, other: Listener) -> bool:
    """The same address, or one of them stands for all addresses (0.0.0.0, and :: for IPv4 too on most hosts)."""
    unspecified = (ipaddress.ip_address(address).is_unspecified for address in (one.address, other.address))
    return one.address == other.address or any(unspecified)
