"""What each sidecar must do: made from the mesh's file and the registry, numbered, sent, acknowledged.

The problem: a mesh of which nobody knows what it does is no protection, and one mistake in its file must not stop it.
The rule: the file is checked as a whole, with every line; what is good gets a number and goes to each sidecar, which
says whether it serves that; one that cannot keeps what it had, and the difference shows (`gatehouse mesh status`).
Addresses change more often than policies: then only they change in what is sent.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from gateway.control.changes import describe
from gateway.control.channel import Worker
from gateway.control.mesh.registry import Registry
from gateway.control.messages import encode
from gateway.control.placement import Trial, shape
from gateway.control.reload import Override
from gateway.spec.errors import SpecErrors
from gateway.spec.models import Spec
from gateway.spec.restore import sent

log = logging.getLogger(__name__)

ACK_SECONDS: Final = 10.0
LOOK_AGAIN: Final = 0.01
SETTLE: Final = 0.02
"""Seconds in which several sidecars that come at once make one change of the endpoints."""

SERVED_WITHIN: Final = 5.0
"""Seconds that sidecars may take to serve what stands in for the file."""

Load = Callable[[Path, str | None], dict[str, Spec]]
"""Reads a mesh's file, or the text in its place: the spec of each service's sidecar."""


@dataclass
class MeshState:
    """What is in force."""

    version: int = 0
    specs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By service, as JSON."""
    errors: tuple[str, ...] = ()
    """What is wrong with the file as it is now; what was in force before, stays so."""
    loaded: float = 0.0
    """Seconds since the epoch."""


class MeshPlane:
    """Owns the sidecars' configurations."""

    def __init__(
        self,
        file: Path,
        load: Load,
        registry: Registry,
        sidecars: Callable[[], list[Worker]],
        endpoints_changed: Callable[[Mapping[str, list[str]]], Awaitable[None]],
        ways_out: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """`endpoints_changed` tells the gateway's side where services are now; `ways_out` where third parties are."""
        self.file, self._load = file, load
        self.registry = registry
        self.state = MeshState()
        self.trials: Mapping[str, Trial] = {}
        """Versions that are tried, by service: calls between services get their share of them, too."""
        self.override: Override | None = None
        self._outside = {party: [address] for party, address in ways_out.items()}
        self._sidecars = sidecars
        self._endpoints_changed = endpoints_changed
        self._change = asyncio.Event()

    async def start(self) -> None:
        """Read the file.

        Raises:
            SpecErrors: it is broken, and there is none before.
        """
        await self.reload()
        if not self.state.specs:
            raise RuntimeError("no usable mesh:\n" + "\n".join(self.state.errors))

    async def reload(self) -> bool:
        """Read the file and send what it means; False when it is broken and everything stays as it was."""
        try:
            specs = await asyncio.to_thread(self._load, self.file, self.override.text if self.override else None)
        except (SpecErrors, OSError) as error:
            self.state.errors = tuple(describe(error)) if isinstance(error, SpecErrors) else (str(error),)
            log.error("the mesh's file is broken: what was in force stays", extra={"errors": self.state.errors})
            return False
        fresh = {name: sent(spec) for name, spec in specs.items()}
        self.state.errors = ()
        if fresh != self.state.specs:
            self.state.specs = fresh
            self.state.loaded = time.time()
            self._send_all()
        return True

    async def replace(self, override: Override | None) -> tuple[str, ...]:
        """Let a text stand in for the file, or the file hold again, and wait until sidecars serve it.

        Returns what is wrong with it; then nothing is changed.
        """
        before, told, self.override = self.override, self.state.errors, override
        if not await self.reload():
            wrong, self.state.errors, self.override = self.state.errors, told, before
            return wrong
        with suppress(TimeoutError):
            async with asyncio.timeout(SERVED_WITHIN):
                while not self.ready():
                    await asyncio.sleep(SETTLE)
        return ()

    def came(self, worker: Worker) -> None:
        """A sidecar has connected.

        Raises:
            ValueError: the registry takes no more, or not under this name.
        """
        changed = self.registry.register(worker.name, worker.service, worker.address, worker)
        if worker.service in self.state.specs:
            worker.send(self._message(worker.service))
        if changed:
            self._change.set()

    def went(self, worker: Worker) -> None:
        """Its line has ended."""
        self.registry.lost(worker.name, worker)

    def tell(self) -> None:
        """Let everybody know where services are, as of then."""
        self._change.set()

    async def run(self) -> None:
        """Expire leases, and spread changes of the endpoints; until cancelled."""
        while True:
            try:
                await asyncio.wait_for(self._change.wait(), 1.0)
                await asyncio.sleep(SETTLE)
            except TimeoutError:
                if not self.registry.expire():
                    continue
            self._change.clear()
            self._send_all()
            await self._endpoints_changed(self.registry.endpoints())

    def _send_all(self) -> None:
        self.state.version += 1
        for worker in self._sidecars():
            if worker.service in self.state.specs:
                worker.send(self._message(worker.service))

    async def spread(self, trials: Mapping[str, Trial], within: float = ACK_SECONDS) -> list[str]:
        """Tell every sidecar where services are now; those that did not take it in time, and why.

        Raises:
            ValueError: a name that the trial needs is taken.
        """
        for spec in self.state.specs.values():
            shape(spec, trials)
        self.trials = trials
        for one in self._sidecars():
            one.error = ""
        self._send_all()
        version, end = self.state.version, time.monotonic() + within
        while late := [one for one in self._sidecars() if one.version != version and one.service in self.state.specs]:
            if self.state.version != version or time.monotonic() > end or any(one.error for one in late):
                break
            await asyncio.sleep(LOOK_AGAIN)
        if self.state.version != version:  # something newer is on its way, and says the same of this
            return await self.spread(trials, max(0.0, end - time.monotonic()))
        return [f"{one.name}: {one.error or 'no answer in time'}" for one in late]

    def documents(self) -> list[dict[str, Any]]:
        """What sidecars serve, for whoever judges the versions that are tried."""
        return [shape(spec, self.trials) for spec in self.state.specs.values()] if self.trials else []

    def _message(self, service: str) -> bytes:
        spec, known = shape(self.state.specs[service], self.trials), self.registry.endpoints() | self._outside
        called = {one["service"] for one in spec["clusters"]}
        endpoints = {name: addresses for name, addresses in known.items() if name in called}
        return encode({"type": "snapshot", "version": self.state.version, "spec": spec, "endpoints": endpoints})

    def ready(self) -> bool:
        """Whether every service has a sidecar, and all of them serve what is in force."""
        sidecars = self._sidecars()
        there = {one.service for one in sidecars if one.version == self.state.version}
        return there == set(self.state.specs) and all(one.version == self.state.version for one in sidecars)
