"""The copies of each service and their versions: what should run, and what does, as values.

The problem: a change of a service takes several steps (start beside, wait, shift, drain, stop), any of which may fail,
and the supervisor itself may be killed between two of them. The rule: what is *wanted* of a service (how many copies,
of which version) is one value, what *there is* another; a change states the first, and steps lead from the second to
it. Whoever goes on after a kill finds both, and takes the steps that are left (gateway.control.supervisor.converging).

A copy keeps its number, and with it its name, port and log, whatever version it runs. The first bears the plain name
of its service.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from gateway.control.supervisor.manifest import ServiceEntry

MOST = 16
"""Copies of one service; one more runs while a version is exchanged for another."""
FIRST_VERSION = "v1"

Place = Literal["in", "out", "held"]
"""`in`: it gets requests. `out`: not yet, or no longer. `held`: somebody has stopped it."""


@dataclass(frozen=True)
class Version:
    """A service's code, or its settings, under a name."""

    name: str = FIRST_VERSION
    module: str = ""
    """Another Python module than the service's own."""
    path: str = ""
    """A folder whose modules go before all others."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Given to the service besides; its own settings (data, peers, secrets) cannot be changed by them."""


@dataclass(frozen=True)
class Copy:
    """One process of a service."""

    service: str
    number: int
    version: str
    port: int
    place: Place = "in"
    canary: bool = False

    @property
    def name(self) -> str:
        """What the process is called."""
        return copy_name(self.service, self.number)


@dataclass(frozen=True)
class Canary:
    """A version that gets a share of the requests."""

    version: str
    weight: int
    """Percent."""
    rollback: Mapping[str, Any] = field(default_factory=dict)
    """When it is taken back; see the key `canary.rollback` of a route."""


@dataclass(frozen=True)
class Wanted:
    """What should run of a service."""

    version: str
    copies: int = 1
    former: str | None = None
    """The version before this one, to go back to."""
    canary: Canary | None = None

    @property
    def canary_numbers(self) -> range:
        """The numbers of the canary's copies: behind the others, as many as its share of them, at least one."""
        if self.canary is None:
            return range(0)
        share = max(1, math.ceil(self.copies * self.canary.weight / 100))
        return range(self.copies + 1, min(self.copies + share, MOST + 1) + 1)


@dataclass(frozen=True)
class Copies:
    """All of an instance; of a service of which nothing is said there is one copy of its first version."""

    there: Mapping[str, tuple[Copy, ...]] = field(default_factory=dict)
    """By service, in the order of their numbers."""
    wanted_of: Mapping[str, Wanted] = field(default_factory=dict)
    versions: Mapping[str, Mapping[str, Version]] = field(default_factory=dict)
    """Versions that are not in the manifest, by service."""

    def of(self, entry: ServiceEntry, port: int) -> tuple[Copy, ...]:
        """The copies of a service; `port` is that of the first."""
        return self.there.get(entry.name) or (Copy(entry.name, 1, entry.first_version, port),)

    def wanted(self, entry: ServiceEntry) -> Wanted:
        """What should run of it."""
        return self.wanted_of.get(entry.name) or Wanted(entry.first_version)

    def version(self, entry: ServiceEntry, name: str) -> Version | None:
        """A version by its name."""
        return self.versions.get(entry.name, {}).get(name) or entry.versions.get(name)

    def with_copies(self, service: str, copies: tuple[Copy, ...]) -> Copies:
        """With other copies of one service."""
        ordered = tuple(sorted(copies, key=lambda one: one.number))
        return replace(self, there={**self.there, service: ordered})

    def with_wanted(self, service: str, wanted: Wanted) -> Copies:
        """With something else wanted of one service."""
        return replace(self, wanted_of={**self.wanted_of, service: wanted})

    def with_version(self, service: str, version: Version) -> Copies:
        """With one more version of a service."""
        return replace(
            self, versions={**self.versions, service: {**self.versions.get(service, {}), version.name: version}}
        )


def copy_name(service: str, number: int) -> str:
    """`orders`, `orders-2`, …"""
    return service if number == 1 else f"{service}-{number}"
