"""Who called whom: every request between two identities, counted where it leaves and where it arrives.

    reporter      who counts                              knows for certain
    source        the caller's sidecar, or the gateway    what never arrived, and why
    destination   the sidecar of who is called            who it was: by the certificate, not by what was said

The problem: a mesh has as many sources as destinations, each request passes two processes, and neither sees all of it.
The rule: both count (Istio's metrics have the same label, `reporter`), and whoever reads compares. A hop between a
service and its own sidecar is none of these edges. Names come from certificates and from the configuration, so there
are few of them; beyond `MAX_NAMES` they share one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.filters.chain import Stopped
from gateway.mesh.identity import service_of
from gateway.observability.metrics import Metrics
from gateway.spec.mesh_names import APP
from gateway.upstream.workload import Workload

if TYPE_CHECKING:
    from gateway.http.messages import Request
    from gateway.roles.facts import Facts

MAX_NAMES: Final = 64
OTHER: Final = "other"
CLIENTS: Final = "clients"
"""Who comes to the gateway from outside of the mesh."""
GATEWAY: Final = "gateway"


class MeshEdges:
    """Counts the requests of one process of the mesh."""

    def __init__(self, metrics: Metrics, workload: Workload, worker: str) -> None:
        self._own = service_of(workload.identity) or OTHER
        self._requests, self._denials = metrics.mesh_requests, metrics.mesh_denials
        self._names: dict[str, str] = {}
        metrics.gauge(
            "gateway_mesh_identity_expiry_timestamp_seconds",
            "When the certificate expires with which a process shows who it is.",
            ("worker", "identity"),
            lambda: {(worker, workload.identity): workload.expires},
        )

    def count(self, exchange: Facts, duration: float) -> None:
        """An exchange is over: count where it came from, and where it went."""
        source = self._source(exchange.request)
        if source is not None:
            security = "mutual_tls" if source != CLIENTS else "tls" if exchange.request.scheme == "https" else "none"
            self._observe("destination", source, self._own, security, exchange, duration)
            outcome = exchange.outcome
            if isinstance(outcome, Stopped) and outcome.reply.status == 403:
                self._denials.add(source, self._own, outcome.reply.reason, exchange.decided_by)
        cluster = exchange.cluster
        if cluster is not None and cluster.name != APP:
            tls = cluster.spec.tls
            security = "none" if tls is None else "mutual_tls" if tls.identity or tls.client_certificate else "tls"
            proven = self._bounded(tls.identity) if tls is not None and tls.identity else ""
            destination = proven or cluster.spec.service or cluster.name
            self._observe("source", self._own, destination, security, exchange, duration)

    def _source(self, request: Request) -> str | None:
        """Who called, by its certificate; None where a service calls its own sidecar."""
        shown = request.client_certificate
        if shown is not None and shown.identity:
            return self._bounded(shown.identity)
        return CLIENTS if self._own == GATEWAY else None

    def _bounded(self, identity: str) -> str:
        found = self._names.get(identity)
        if found is None:
            found = service_of(identity) if len(self._names) < MAX_NAMES else None
            if found is None:
                return OTHER
            self._names[identity] = found
        return found

    def _observe(
        self, reporter: str, source: str, destination: str, security: str, exchange: Facts, duration: float
    ) -> None:
        self._requests.observe(
            (reporter, source, destination, security, str(exchange.status), exchange.reason), duration
        )
