"""The mesh's parts of the control process, put together: identity, file, registry, channel."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.compile.load import load_mesh_file
from gateway.control.channel import Worker
from gateway.control.egress_part import EGRESS
from gateway.control.mesh.channel import SidecarChannel
from gateway.control.mesh.members import members_of, third_parties
from gateway.control.mesh.metrics import STRANGERS, SidecarMetrics, own
from gateway.control.mesh.plane import MeshPlane
from gateway.control.mesh.registry import Registry
from gateway.control.mesh.topology import Topology, denials
from gateway.control.messages import Ack, Explanations, Stats
from gateway.control.settings import MeshSettings
from gateway.control.watch import watch
from gateway.mesh.enrolment import Enrolment
from gateway.mesh.enrolment import MeshSettings as EnrolmentSettings
from gateway.mesh.identity import identity_of
from gateway.spec.models import Spec
from gateway.upstream.workload import Workload

if TYPE_CHECKING:
    from gateway.control.plane import ControlPlane

log = logging.getLogger(__name__)

GATEWAY = "gateway"


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
        members = members_of(settings.peers)
        self.identities = {name: members.identities[name] for name in settings.peers}
        outside = third_parties(settings.peers)
        self.callers = {party: [identity_of(name) for name in names] for party, names in outside.items()}
        """Who may call each third party."""
        self._others = (GATEWAY, EGRESS) if settings.ways_out else (GATEWAY,)

        def load(path: Path, text: str | None) -> dict[str, Spec]:
            return load_mesh_file(path, variables, members, text)

        self.registry = Registry(time.monotonic, state_dir / "mesh-registry.json")
        listening = socket.socket(fileno=os.dup(settings.listen_fd))
        self.metrics = SidecarMetrics()
        control.book.beside = self.metrics.shared
        self.topology = Topology()
        self.channel = SidecarChannel(listening, self._enrolment.workload, self)
        self.plane = MeshPlane(
            settings.config, load, self.registry, lambda: self.channel.workers, endpoints_changed, settings.ways_out
        )

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
        return (self._enrolment.run, self.plane.run, self._watch, self._sweep)

    async def _watch(self) -> None:
        await watch(self.plane.file, self.plane.reload)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self.channel.sweep(time.time())

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
            "override": self.plane.override.view() if self.plane.override else None,
            "ready": self.plane.ready(),
            "services": sorted(state.specs),
            "sidecars": sidecars,
        }

    def seen(self) -> dict[str, Any]:
        """Who called whom within the last minute, who was refused, and how long identities are good."""
        expiries: dict[str, list[float]] = {}
        for one in (*self._control.channel.workers, *self.channel.workers):
            if one.certificate_expires is not None:
                name = one.service or (EGRESS if one.role == EGRESS else GATEWAY)
                expiries.setdefault(name, []).append(one.certificate_expires)
        nodes = [
            {
                "name": name,
                "identity": identity_of(name),
                "processes": len(expiries.get(name, ())),
                "certificate_expires": min(expiries.get(name, ()), default=None),
                "turned_away": self._turned_away(name),
            }
            for name in (*self._others, *self.identities)
        ]
        return {
            "seconds": self.topology.seconds,
            "nodes": nodes,
            "edges": self.topology.edges(),
            "denials": list(denials(self._control.book.merged())),  # of the sidecars, which stand beside, too
        }

    def _turned_away(self, service: str) -> dict[str, float]:
        """Who came to its sidecars without being one of the mesh: connections, by reason."""
        found = self.metrics.of(service, STRANGERS)
        counts = ((dict(labels)["result"], value) for (_, labels), (value, _) in found.samples.items()) if found else ()
        return {result: value for result, value in counts if result != "complete"}

    # -- what sidecars say (gateway.control.channel.Events) ---------------------------------------------------

    def hello(self, worker: Worker) -> None:
        """Register it, and give it its configuration."""
        log.info("sidecar connected", extra={"worker": worker.name, "worker_pid": worker.pid})
        self._control.canaries.hello(worker)
        self.metrics.hello(worker)
        self.plane.came(worker)

    def ack(self, worker: Worker, ack: Ack) -> None:
        """A refusal is worth a line: that sidecar keeps what it had."""
        if not ack.accepted:
            log.error("a sidecar rejected its configuration", extra={"worker": worker.name, "error": ack.error})

    def stats(self, worker: Worker, stats: Stats) -> None:
        """Merge its numbers."""
        worker.certificate_expires = stats.certificate_expires
        self.metrics.stats(worker, stats)
        self.topology.report(worker.source, [own(one, worker.service) for one in stats.families])
        if stats.canaries:
            self._control.canary_counts(worker, stats)

    def requests(self, worker: Worker, records: list[dict[str, Any]]) -> None:
        """Of hops inside only those that a sidecar refused or that failed are told beside the gateway's requests."""
        self._control.requests(worker, [one for one in records if one.get("reason")])

    def explanations(self, worker: Worker, told: Explanations) -> None:
        """Keep what a sidecar decided itself; what it only passed on, others tell."""
        decided = [one for one in told.explanations if one.reason]
        self._control.explanations(worker, told.model_copy(update={"explanations": decided}))

    def gone(self, worker: Worker) -> None:
        """Its lease begins."""
        log.info("sidecar gone", extra={"worker": worker.name, "worker_pid": worker.pid})
        self.metrics.gone(worker)
        self.topology.forget(worker.source)
        self._control.canaries.gone(worker.source)
        self.plane.went(worker)

    def broken(self, error: str) -> None:
        """Count it."""
        self._control.broken(error)
