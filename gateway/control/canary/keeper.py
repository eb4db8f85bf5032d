"""Canaries in the control process: reports come in, decisions go out to all workers, to disk, log and metrics.

The rule: workers are told first, since they hold the traffic. They get every decision whenever one of them changes and
when they connect, before their configuration: no request of a new worker is decided by a weight that was taken back.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.control.canary.book import Book, Watched
from gateway.control.canary.file import read_decisions, write_decisions
from gateway.control.messages import CanaryReport, encode
from gateway.control.placement import tried
from gateway.spec.models import Canary
from gateway.upstream.canary import FILE

if TYPE_CHECKING:
    from gateway.control.channel import Channel, Worker
    from gateway.control.mesh.plane import MeshPlane
    from gateway.control.metrics_render import ControlMetrics
    from gateway.control.revision import Revision

log = logging.getLogger(__name__)

Change = Callable[[Watched], None]


class Canaries:
    """Every canary of this instance."""

    def __init__(self, state_dir: Path, channels: Sequence[Channel], metrics: ControlMetrics) -> None:
        """`channels` lead to whoever counts: the gateway's workers, and in a mesh its sidecars."""
        self._path = state_dir / FILE
        self._channels = channels
        self._metrics = metrics
        self._followed: tuple[Revision, int] | None = None
        self.book = Book(time.monotonic, time.time, read_decisions(self._path))

    def follow(self, revision: Revision | None, mesh: MeshPlane | None = None) -> None:
        """Take up the canaries of the configuration in force, and of calls between services."""
        if revision is None:
            return
        now = revision, mesh.state.version if mesh else 0
        if now == self._followed:
            return
        first, self._followed = self._followed is None, now
        documents = [revision.spec, *(mesh.documents() if mesh else ())]
        specs = {
            one["name"]: one["canary"] for document in documents for one in document["routes"] if one.get("canary")
        }
        groups = {route["name"]: group for document in documents for group, route in tried(document)}
        if self.book.follow({route: Canary.model_validate(spec) for route, spec in specs.items()}, groups) or first:
            self._spread()

    def hello(self, worker: Worker) -> None:
        """Tell a worker that has just come."""
        worker.send(encode(self._message()))

    def report(self, source: str, reports: dict[str, CanaryReport]) -> None:
        """A worker's newest counts."""
        for route, told in reports.items():
            cause = self.book.report(source, route, told.of, told.canary.outcomes(), told.stable.outcomes())
            if cause is not None:
                watched = self.book.on_route(route)
                assert watched is not None
                self._tell(watched, cause)

    def change(self, route: str, change: Change, rolls_back: bool = False) -> Watched:
        """Do what a person asked for.

        Raises:
            KeyError: the route has no canary.
        """
        watched = self.book.watched[route]
        change(watched)
        self._tell(watched, "request" if rolls_back else None)
        return watched

    def gone(self, source: str) -> None:
        """A worker has left."""
        self.book.forget(source)

    def _tell(self, watched: Watched, rolled_back_by: str | None) -> None:
        decision = watched.decision
        self._spread()
        level = logging.WARNING if rolled_back_by else logging.INFO
        facts = {"route": watched.route, "cluster": watched.spec.cluster, "weight": decision.weight}
        log.log(level, "canary %s", decision.state, extra={**facts, "why": decision.why})
        if rolled_back_by:
            self._metrics.canary_rollbacks.labels(watched.route, rolled_back_by).inc()

    def _spread(self) -> None:
        for channel in self._channels:
            channel.broadcast(self._message())
        self._metrics.canary_weight.clear()
        for route, watched in self.book.watched.items():
            self._metrics.canary_weight.labels(route).set(watched.decision.weight)
        if not self.book.watched and not self._path.exists():
            return
        try:
            write_decisions(self._path, self.book.decisions())
        except OSError as error:
            log.error("decisions about canaries could not be saved", extra={"error": str(error)})

    def _message(self) -> dict[str, Any]:
        return {"type": "canaries", "canaries": self.book.orders()}
