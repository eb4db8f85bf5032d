"""What a service counts: OpenTelemetry's HTTP metrics in Prometheus form.

The problem: a label with a raw path, a user or an id makes a new time series per value until memory is gone.
The rule: label values come from small known sets: the route's pattern, a known method, a status code.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import choose_encoder
from prometheus_client.process_collector import ProcessCollector

disable_created_metrics()  # type: ignore[no-untyped-call]  # one more series per series, and nobody asks for them

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """A process' own registry and the families that every service has.

    Families of one service are added with `registry=service.metrics.registry`.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.info = Gauge(
            "service_info",
            "Which copy and version this is; always 1.",
            ("service", "instance", "version"),
            registry=self.registry,
        )
        self.server_duration = Histogram(
            "http_server_request_duration_seconds",
            "Duration of HTTP requests that this service answered.",
            ("http_request_method", "http_route", "http_response_status_code", "error_type"),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.server_active = Gauge(
            "http_server_active_requests", "HTTP requests being answered now.", registry=self.registry
        )
        self.client_duration = Histogram(
            "http_client_request_duration_seconds",
            "Duration of HTTP requests that this service sent to its peers.",
            ("http_request_method", "peer", "http_response_status_code", "error_type"),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.db_duration = Histogram(
            "db_client_operation_duration_seconds",
            "Duration of database transactions, the wait for a turn included.",
            ("db_operation_name",),
            buckets=BUCKETS,
            registry=self.registry,
        )
        self.deadlines = Counter(
            "service_deadlines_exceeded",
            "Requests given up because their caller no longer waits.",
            registry=self.registry,
        )
        self.spans = Counter(
            "telemetry_spans", "Spans handed to the collector, by outcome.", ("outcome",), registry=self.registry
        )
        self.task_failures = Counter(
            "service_background_failures",
            "Background tasks that failed and were started again.",
            ("task",),
            registry=self.registry,
        )
        self.not_from_sidecar = Counter(
            "service_requests_not_from_sidecar",
            "Requests that came past the sidecar, and were refused.",
            registry=self.registry,
        )
        self.unexpected_errors = Counter(
            "service_unexpected_errors",
            "Requests that ended in an exception nobody expected.",
            registry=self.registry,
        )

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """The registry as text and its media type: OpenMetrics if `accept` asks for it, else Prometheus 0.0.4."""
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type


def known_method(method: str) -> str:
    """The method as a label value; unknown ones share `_OTHER` (OpenTelemetry HTTP semantic conventions)."""
    return method if method in KNOWN_METHODS else "_OTHER"
