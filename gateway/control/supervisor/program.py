"""What it takes to run a process, as values."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from gateway.control.supervisor.readiness import Probe
from gateway.mesh.bootstrap import mint
from gateway.mesh.isolation.rules import Rules

Kind = Literal["redis", "control", "worker", "egress", "service", "authority", "sidecar", "prometheus"]
GATEWAY = "gateway"
"""What the workers are called together: by Redis, and by services that ask for the gateway's keys."""
EGRESS = "egress"
"""The process that serves the ways out, and its identity in a mesh."""
OWN_LAST_GOOD = "last-good.json"
"""Where a process that is confined keeps its last good configuration, in its own folder."""


@dataclass(frozen=True)
class Program:
    """What it takes to start a process; its settings may come later."""

    name: str
    kind: Kind
    argv: tuple[str, ...]
    cwd: Path
    log: Path
    keep_fds: tuple[int, ...] = ()
    """Further descriptors it inherits: listening sockets."""
    path: str = ""
    """A folder whose Python modules go before all others."""
    rules: Rules | None = field(default=None, repr=False)
    """What the operating system lets it do; None: whatever its user may."""


@dataclass(frozen=True)
class Enrolment:
    """Who a process is in the mesh, for the one-time token that each start of it gets."""

    key: bytes = field(repr=False)
    identity: str = ""
    place: tuple[str, ...] = ("mesh",)
    """Where in its settings the token goes."""


@dataclass(frozen=True)
class ProcessPlan(Program):
    """One process to keep alive."""

    settings: Mapping[str, Any] | None = field(default=None, repr=False)
    """Written as JSON to an inherited pipe (`--settings-fd N`): secrets stay out of argv and environment."""
    enrolment: Enrolment | None = None
    port: int | None = None
    probe: Probe | None = None
    """None: it counts as ready once it has run for `settle` seconds."""
    settle: float = 1.0
    autostart: bool = True
    service: str = ""
    """Whose copy it is; empty for what is no service."""
    version: str = ""
    grace: float = 5.0
    """Seconds between SIGTERM and SIGKILL."""

    def settings_for_start(self, now: float) -> Mapping[str, Any] | None:
        """The settings of a start at `now` (seconds since the epoch), with a token of its own where it needs one."""
        if self.settings is None or self.enrolment is None:
            return self.settings
        token = mint(self.enrolment.key, self.enrolment.identity, self.name, now)
        return _with(self.settings, (*self.enrolment.place, "token"), token)


def _with(settings: Mapping[str, Any], place: tuple[str, ...], value: str) -> Mapping[str, Any]:
    name, *rest = place
    return {**settings, name: _with(settings[name], tuple(rest), value) if rest else value}


def port_of(address: str) -> int:
    """Of `host:port`."""
    return int(address.rpartition(":")[2])


def python_module(module: str) -> tuple[str, ...]:
    """The command that runs a module; `-P`: files in the current directory do not shadow libraries."""
    return (sys.executable, "-P", "-m", module)
