"""All incidents, in the order in which they are best taught."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from types import MappingProxyType

from gateway.cli.console import no_such
from scenarios.incidents.model import Incident

ORDER = (
    "error_burst",
    "slow_database",
    "memory_leak",
    "noisy_neighbour",
    "expired_certificate",
    "retry_storm",
    "broken_contract",
    "poisoned_cache",
)
"""Modules of this package."""


@cache
def catalogue() -> MappingProxyType[str, Incident]:
    """Incidents by id."""
    found = [import_module(f"scenarios.incidents.{name}").INCIDENT for name in ORDER]
    return MappingProxyType({one.id: one for one in found})


def find_incident(name: str) -> Incident:
    """The incident of that id.

    Raises:
        Misuse: there is none; the nearest is named.
    """
    known = catalogue()
    if name not in known:
        raise no_such("incident", name, known, "gatehouse incident list")
    return known[name]
