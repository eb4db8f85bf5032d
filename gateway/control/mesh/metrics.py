"""What sidecars count, apart from what the gateway counts.

The problem: a sidecar counts in the same words as a gateway worker; added up, one request of a user would be three, and
one process that lies would bend the gateway's own numbers. The rule: each service's sidecars have a book of their own
(`GET /mesh/metrics`, with the label `service`); of them only the mesh's own families stand beside the gateway's
(`GET /metrics`), and of a request's two ends a sidecar may only tell its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from gateway.control.channel import Worker
from gateway.control.messages import FamilyMessage, Sample, Stats
from gateway.control.metrics_merge import Family, MetricsBook
from gateway.control.metrics_render import to_metric

REQUESTS: Final = "gateway_mesh_request_duration_seconds"
DENIALS: Final = "gateway_mesh_denials"
STRANGERS: Final = "gateway_tls_handshakes"
SHARED: Final = frozenset(
    {REQUESTS, DENIALS, "gateway_mesh_revoked_connections", "gateway_mesh_identity_expiry_timestamp_seconds"}
)
MAX_SAMPLES: Final = 20_000
"""Of one family of one sidecar."""
_ENDS: Final = ("source", "destination")
"""The values of `reporter`; each is also the label that must then be the reporter's own name."""


class SidecarMetrics(Collector):
    """One book for the sidecars of each service."""

    def __init__(self) -> None:
        self._books: dict[str, MetricsBook] = {}
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def hello(self, worker: Worker) -> None:
        """A sidecar has come."""
        self._book(worker.service).hello(worker.name, worker.pid)

    def stats(self, worker: Worker, stats: Stats) -> None:
        """A sidecar's newest values."""
        self._book(worker.service).stats(worker.name, [own(one, worker.service) for one in stats.families])

    def gone(self, worker: Worker) -> None:
        """A sidecar has left."""
        self._book(worker.service).gone(worker.name, worker.pid)

    def _book(self, service: str) -> MetricsBook:
        return self._books.setdefault(service, MetricsBook())

    def of(self, service: str, family: str) -> Family | None:
        """What the sidecars of a service have counted in one family."""
        book = self._books.get(service)
        return next((one for one in book.merged() if one.name == family), None) if book else None

    def shared(self) -> Iterator[Family]:
        """The mesh's own families, of all services: their labels say whose they are."""
        found: dict[str, Family] = {}
        for book in self._books.values():
            for one in book.merged():
                if one.name in SHARED:
                    found.setdefault(one.name, Family(one.name, one.type, one.help, one.unit)).add(one)
        yield from found.values()

    def collect(self) -> Iterator[Metric]:
        """Everything, for prometheus_client; `service` says whose it is."""
        metrics: dict[str, Metric] = {}
        for service, book in sorted(self._books.items()):
            for family in book.merged():
                labelled = to_metric(family)
                metric = metrics.setdefault(family.name, labelled)
                samples = [one._replace(labels={"service": service, **one.labels}) for one in labelled.samples]
                metric.samples = samples if metric is labelled else [*metric.samples, *samples]
        yield from metrics.values()

    def render(self, accept: str) -> tuple[bytes, str]:
        """The text and its content type, as the `Accept` header asks."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type


def own(family: FamilyMessage, service: str) -> FamilyMessage:
    """Of the requests between two services only what this one can know: those that it sent or got."""
    if family.name not in (REQUESTS, DENIALS):
        return family
    return family.model_copy(update={"samples": list(islice(_own(family.samples, service), MAX_SAMPLES))})


def _own(samples: Iterable[Sample], service: str) -> Iterator[Sample]:
    for sample in samples:
        labels = sample[1]
        reporter = labels.get("reporter", "destination")
        if reporter in _ENDS and labels.get(reporter) == service:
            yield sample
