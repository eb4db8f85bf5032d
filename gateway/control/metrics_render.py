"""The merged metrics and the control process's own, as text for Prometheus.

The rule: prometheus_client writes the text; `Accept` chooses between the Prometheus format 0.0.4 and
OpenMetrics 1.0, and only OpenMetrics carries exemplars. A family that control itself owns is never taken
from a worker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar as ClientExemplar

from gateway.control.messages import Exemplar
from gateway.control.metrics_merge import Family, MetricsBook

# A `_created` gauge beside each counter: nobody asks for them, and every scrape pays.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Merged(Collector):
    """Presents the workers' families to prometheus_client."""

    def __init__(self, book: MetricsBook, owned: Callable[[], set[str]]) -> None:
        self._book, self._owned = book, owned

    def collect(self) -> Iterator[Metric]:
        """The merged families, without those that control owns."""
        owned = self._owned()
        for family in self._book.merged():
            if family.name.removesuffix("_total") not in owned:
                yield to_metric(family)


def to_metric(family: Family) -> Metric:
    """A family in prometheus_client's form: a counter's name without `_total`, its samples with it."""
    base = family.name.removesuffix("_total") if family.type == "counter" else family.name
    metric = Metric(base, family.help, family.type, family.unit)
    for (name, labels), (value, exemplar) in family.samples.items():
        full = f"{base}_total" if family.type == "counter" and name == base else name
        metric.add_sample(full, dict(labels), value, None, _client_exemplar(exemplar))
    return metric


def _client_exemplar(exemplar: Exemplar | None) -> ClientExemplar | None:
    if exemplar is None:
        return None
    return ClientExemplar(dict(exemplar.labels), exemplar.value, exemplar.timestamp)


class ControlMetrics:
    """The control process's own metrics, and the registry that holds everything."""

    def __init__(self, book: MetricsBook) -> None:
        self.registry = CollectorRegistry()
        own = self.registry
        self.reloads = Counter("gateway_config_reloads", "Configuration reloads by result", ["result"], registry=own)
        self.version = Gauge("gateway_config_version", "Version of the configuration in force", registry=own)
        self.success = Gauge(
            "gateway_config_last_reload_success", "1 if the latest reload was accepted, else 0", registry=own
        )
        self.success_time = Gauge(
            "gateway_config_last_reload_success_timestamp_seconds",
            "When a configuration was last accepted, in seconds since 1970",
            registry=own,
        )
        self.workers = Gauge("gateway_control_workers", "Workers connected to the control process", registry=own)
        self.broken = Counter(
            "gateway_control_channel_errors",
            "Worker connections closed for breaking the protocol",
            registry=own,
        )
        self.canary_weight = Gauge(
            "gateway_canary_weight",
            "Percent of a route's requests that its canary gets by weight",
            ["http_route"],
            registry=own,
        )
        self.canary_rollbacks = Counter(
            "gateway_canary_rollbacks", "Canaries taken back, by cause", ["http_route", "cause"], registry=own
        )
        self.spans = Counter("gateway_collector_spans", "Spans sent to the trace collector", ["result"], registry=own)
        self.traces = Gauge("gateway_collector_traces", "Traces that the collector holds", registry=own)
        self.trace_bytes = Gauge(
            "gateway_collector_size_bytes",
            "Estimated size of the traces that the collector holds",
            registry=own,
        )
        owned = {metric.name for metric in own.collect()}
        self.registry.register(Merged(book, lambda: owned))

    def render(self, accept: str) -> tuple[bytes, str]:
        """The text and its content type, as the `Accept` header asks."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type
