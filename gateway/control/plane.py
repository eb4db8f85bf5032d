"""The parts of the control process, put together; what one learns, the others are told here."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.control import edges
from gateway.control.alerts import Alerts
from gateway.control.canary.keeper import Canaries
from gateway.control.channel import Events, Worker, WorkerChannel
from gateway.control.course import Course
from gateway.control.instance_metrics import InstanceMetrics
from gateway.control.jobs import Jobs
from gateway.control.live import Live
from gateway.control.live_message import live_message
from gateway.control.mesh.part import MeshPart
from gateway.control.messages import Ack, Explanations, FamilyMessage, Stats
from gateway.control.metrics_merge import MetricsBook
from gateway.control.metrics_render import ControlMetrics
from gateway.control.past_store import PastStore
from gateway.control.placed import Placed
from gateway.control.quarantine import Quarantine
from gateway.control.rates import HISTOGRAM, RateBook, Tally, Totals
from gateway.control.reload import Loader, Override, Reloader, Source
from gateway.control.request_log import RequestLog
from gateway.control.services import Services
from gateway.control.settings import ControlSettings
from gateway.control.supervisor_client import SupervisorClient
from gateway.control.trace_store import TraceStore
from gateway.control.watch import watch
from gateway.spec.mesh import with_identities
from gateway.spec.mesh_egress import with_callers
from gateway.spec.models import Spec

log = logging.getLogger(__name__)

RESTART_SECONDS = 1.0


class ControlPlane(Events):
    """Everything the admin API shows and does."""

    def __init__(self, settings: ControlSettings, load: Loader) -> None:
        self.settings = settings
        self.book = MetricsBook()
        self.metrics = ControlMetrics(self.book)
        self.rates = RateBook()
        self.course = Course()
        self.edges = RateBook()
        self.request_log = RequestLog()
        self.traces = TraceStore()
        self.past = PastStore()
        self.supervisor = SupervisorClient(settings.supervisor_socket, settings.admin_secret.get_secret_value())
        self.services = Services(settings.services, self.supervisor, lambda: self.placed.placement, self.edges)
        self.channel = WorkerChannel(settings.control_socket, self, settings.control_secret.get_secret_value())
        self.mesh: MeshPart | None = None
        self.placed = Placed(self, settings.placement)
        self.quarantine = Quarantine(settings.state_dir / "quarantine.json")
        if settings.mesh:
            self.mesh = MeshPart(settings.mesh, settings.state_dir, settings.variables, self.placed.moved, self)
            load = in_mesh(load, self.mesh.identities, self.mesh.callers)
            self.placed.register()
        source = Source(
            settings.config,
            settings.state_dir / "last-good.json",
            load,
            settings.variables,
            self.placed.endpoints(),
            lambda document: self.quarantine.shape(self.placed.shape(document)),
        )
        self.reloader = Reloader(source, self.channel, self.metrics)
        channels = [self.channel, self.mesh.channel] if self.mesh else [self.channel]
        self.canaries = Canaries(settings.state_dir, channels, self.metrics)
        self.alerts = Alerts(settings.prometheus)
        self.metrics.registry.register(
            InstanceMetrics(lambda: self.services.processes, lambda: self.override is not None)
        )
        self.live = Live(lambda: live_message(self), self._tick)
        self.jobs = Jobs(settings.state_dir)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def override(self) -> Override | None:
        """What stands in for one of the files; None when they hold."""
        return self.reloader.override or (self.mesh.plane.override if self.mesh else None)

    async def start(self) -> None:
        """Load the configuration, then let workers connect and start looking around.

        Raises:
            RuntimeError: there is no usable configuration.
            OSError: the control socket cannot be bound.
        """
        await self.reloader.start()
        self.follow()
        await self.channel.start()
        jobs: list[Callable[[], Awaitable[None]]] = [self._watch, self.services.run, self.live.run, self.placed.judge]
        if self.alerts.url:
            jobs.append(self.alerts.run)
        if self.mesh is not None:
            await self.mesh.start()
            jobs += self.mesh.jobs()
        self._tasks = [asyncio.create_task(_forever(job)) for job in jobs]

    async def stop(self) -> None:
        """End the console's streams, what it runs, and every background job; workers serve on."""
        self.live.spread(None)
        await self.jobs.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.channel.stop()
        if self.mesh is not None:
            await self.mesh.channel.stop()
        await self.reloader.stop()

    async def _watch(self) -> None:
        await watch(self.settings.config, lambda: self.reloader.reload("file"))

    async def set_quarantine(self, third_party: str, why: str | None) -> list[str]:
        """Shut a third party out, or let it in again (None), and wait until everybody does; who does not, and why.

        A quarantine that somebody has not heard of stays decided; a release holds for everybody or for nobody.
        """
        before = self.quarantine.change(third_party, why)
        result = await self.reloader.move("quarantine")
        if result.errors and why is None:
            self.quarantine.put_back(before)
        return list(result.errors)

    def follow(self) -> None:
        """Let canaries follow the configuration, but not one that workers may still refuse."""
        if self.reloader.settled:
            self.canaries.follow(self.reloader.current, self.mesh.plane if self.mesh else None)

    def _tick(self) -> None:
        self.follow()
        now = time.monotonic()
        self.rates.tick(now)
        self.course.tick(self.rates)
        self.edges.tick(now)
        if self.mesh is not None:
            self.mesh.topology.tick(now)
        self.services.rates.tick(now)

    def hello(self, worker: Worker) -> None:
        """Give a new worker its configuration, and count what it counts."""
        log.info("worker connected", extra={"worker": worker.name, "worker_pid": worker.pid})
        self.book.hello(worker.name, worker.pid)
        self.metrics.workers.set(len(self.channel.workers))
        self.canaries.hello(worker)
        self.reloader.hello(worker)

    def ack(self, worker: Worker, ack: Ack) -> None:
        """Tell the reloader."""
        self.reloader.ack(worker, ack)

    def stats(self, worker: Worker, stats: Stats) -> None:
        """Merge a worker's numbers."""
        self.book.stats(worker.name, stats.families)
        self.rates.report(worker.source, by_route(stats.families))
        self.edges.report(worker.source, edges.of_worker(stats.families, self._services_of_clusters()))
        if self.mesh is not None:
            worker.certificate_expires = stats.certificate_expires
            self.mesh.topology.report(worker.source, stats.families)
        self.canary_counts(worker, stats)

    def _services_of_clusters(self) -> dict[str, str]:
        return edges.services_of(self.reloader.current.spec) if self.reloader.current else {}

    def canary_counts(self, worker: Worker, stats: Stats) -> None:
        """Judge by a worker's, or a sidecar's, newest numbers."""
        self.follow()
        self.canaries.report(worker.source, stats.canaries)

    def requests(self, worker: Worker, records: list[dict[str, Any]]) -> None:
        """Keep the latest requests."""
        self.request_log.add(worker.name, records)

    def explanations(self, worker: Worker, told: Explanations) -> None:
        """Keep what happened to them."""
        self.past.add(worker.name, told)

    def gone(self, worker: Worker) -> None:
        """Keep what a worker had counted; stop waiting for it."""
        log.info("worker gone", extra={"worker": worker.name, "worker_pid": worker.pid})
        self.book.gone(worker.name, worker.pid)
        self.rates.forget(worker.source)
        self.edges.forget(worker.source)
        if self.mesh is not None:
            self.mesh.topology.forget(worker.source)
        self.canaries.gone(worker.source)
        self.metrics.workers.set(len(self.channel.workers))
        self.reloader.gone(worker)

    def broken(self, error: str) -> None:
        """Count it."""
        self.metrics.broken.inc()

    def count_spans(self, result: str, number: int) -> None:
        """Told by the collector."""
        self.metrics.spans.labels(result).inc(number)
        self.metrics.traces.set(len(self.traces))
        self.metrics.trace_bytes.set(self.traces.size)


def in_mesh(load: Loader, identities: Mapping[str, str], callers: Mapping[str, Sequence[str]]) -> Loader:
    """The same, for a gateway that is one of a mesh: see `with_identities` and `with_callers`."""

    def load_in_mesh(path: Path, variables: Mapping[str, str], text: str | None = None) -> Spec:
        return with_callers(with_identities(load(path, variables, text), identities), callers)

    return load_in_mesh


def by_route(families: list[FamilyMessage]) -> dict[str, Totals]:
    """A worker's request totals per route."""
    tally = Tally()
    for family in families:
        if family.name == HISTOGRAM:
            for name, labels, value, _ in family.samples:
                tally.add(labels.get("http_route", ""), name, labels, value)
    return tally.totals()


async def _forever(job: Callable[[], Awaitable[None]]) -> None:
    """A job that ends by an error is logged and begun again."""
    while True:
        try:
            await job()
        except Exception:
            log.exception("background job failed, begun again")
        await asyncio.sleep(RESTART_SECONDS)
