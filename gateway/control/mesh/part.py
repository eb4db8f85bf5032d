"""The mesh's parts of the control process, put together: identity, file, registry, channel."""

from __future__ import annotations

import logging
import os
import random
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.compile.load import load_mesh_file
from gateway.control.channel import Worker
from gateway.control.mesh.channel import SidecarChannel
from gateway.control.mesh.plane import MeshPlane
from gateway.control.mesh.registry import Registry
from gateway.control.messages import Ack, Explanations, Stats
from gateway.control.settings import MeshSettings
from gateway.control.watch import watch
from gateway.mesh.enrolment import Enrolment
from gateway.mesh.enrolment import MeshSettings as EnrolmentSettings
from gateway.mesh.identity import identity_of
from gateway.spec.mesh import Members
from gateway.upstream.workload import Workload

if TYPE_CHECKING:
    from gateway.control.plane import ControlPlane

log = logging.getLogger(__name__)


class MeshPart:
    """What control does for sidecars; it hears what they say."""

    def __init__(
        self,
        settings: MeshSettings,
        state_dir: Path,
        variables: Mapping[str, str],
        endpoints_changed: Callable[[Mapping[str, list[str]]], Awaitable[None]],
        control: ControlPlane,
    ) -> None:
        told = EnrolmentSettings(**settings.enrolment.model_dump())
        self._control = control
        self._enrolment = Enrolment(Workload(told.identity), told, random.Random(os.urandom(16)))  # noqa: S311
        identities = {name: identity_of(name) for name in (*settings.peers, "gateway", "control")}
        self.identities = {name: identities[name] for name in settings.peers}
        members = Members(settings.peers, identities)
        load = partial(load_mesh_file, variables=variables, members=members)
        self.registry = Registry(time.monotonic, state_dir / "mesh-registry.json")
        listening = socket.socket(fileno=os.dup(settings.listen_fd))
        self.channel = SidecarChannel(listening, self._enrolment.workload, self)
        self.plane = MeshPlane(settings.config, load, self.registry, lambda: self.channel.workers, endpoints_changed)

    async def start(self) -> None:
        """Come to our identity, read the file, listen.

        Raises:
            RuntimeError: the file is broken.
        """
        await self._enrolment.first()
        await self.plane.start()
        await self.channel.start()

    def jobs(self) -> tuple[Callable[[], Awaitable[None]], ...]:
        """What runs for as long as control does."""
        return (self._enrolment.run, self.plane.run, self._watch)

    async def _watch(self) -> None:
        await watch(self.plane.file, self.plane.reload)

    def status(self) -> dict[str, Any]:
        """Who is there, with which version and certificate; what the file would have."""
        state = self.plane.state
        workers = {one.name: one for one in self.channel.workers}
        sidecars = [
            {
                "name": name,
                "service": entry.service,
                "identity": self.identities.get(entry.service, ""),
                "address": entry.address,
                "connected": entry.connected,
                "version": workers[name].version if name in workers else None,
                "error": workers[name].error if name in workers else "",
                "certificate_expires": workers[name].certificate_expires if name in workers else None,
            }
            for name, entry in sorted(self.registry.entries.items())
        ]
        return {
            "file": str(self.plane.file),
            "version": state.version,
            "errors": list(state.errors),
            "ready": self.plane.ready(),
            "services": sorted(state.specs),
            "sidecars": sidecars,
        }

    # -- what sidecars say (gateway.control.channel.Events) ---------------------------------------------------

    def hello(self, worker: Worker) -> None:
        """Register it, and give it its configuration."""
        log.info("sidecar connected", extra={"worker": worker.name, "worker_pid": worker.pid})
        self._control.book.hello(worker.name, worker.pid)
        self._control.canaries.hello(worker)
        self.plane.came(worker)

    def ack(self, worker: Worker, ack: Ack) -> None:
        """A refusal is worth a line: that sidecar keeps what it had."""
        if not ack.accepted:
            log.error("a sidecar rejected its configuration", extra={"worker": worker.name, "error": ack.error})

    def stats(self, worker: Worker, stats: Stats) -> None:
        """Merge its numbers."""
        worker.certificate_expires = stats.certificate_expires
        self._control.book.stats(worker.name, stats.families)
        if stats.canaries:
            self._control.canary_counts(worker, stats)

    def requests(self, worker: Worker, records: list[dict[str, Any]]) -> None:
        """Of hops inside only those that a sidecar refused or that failed are told beside the gateway's requests."""
        self._control.requests(worker, [one for one in records if one.get("reason")])

    def explanations(self, worker: Worker, told: Explanations) -> None:
        """Keep what happened to them."""
        self._control.explanations(worker, told)

    def gone(self, worker: Worker) -> None:
        """Its lease begins."""
        log.info("sidecar gone", extra={"worker": worker.name, "worker_pid": worker.pid})
        self._control.book.gone(worker.name, worker.pid)
        self._control.canaries.gone(worker.source)
        self.plane.went(worker)

    def broken(self, error: str) -> None:
        """Count it."""
        self._control.broken(error)
