"""All scenarios, in the order in which they are best taught."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from types import MappingProxyType

from gateway.cli.console import Misuse
from gateway.spec.errors import nearest
from scenarios.lab.model import Scenario

ORDER = (
    "api1_bola",
    "api5_bfla",
    "token_forgery",
    "token_revocation",
)
"""Modules of this package."""


@cache
def catalogue() -> MappingProxyType[str, Scenario]:
    """Scenarios by id."""
    found = [import_module(f"scenarios.{name}").SCENARIO for name in ORDER]
    return MappingProxyType({one.id: one for one in found})


def find_scenario(name: str) -> Scenario:
    """The scenario of that id.

    Raises:
        Misuse: there is none; the nearest is named.
    """
    known = catalogue()
    if name not in known:
        near = nearest(name, tuple(known))
        raise Misuse(f"There is no scenario {name!r}.", f"Did you mean {near}?" if near else "gatehouse lab list")
    return known[name]
