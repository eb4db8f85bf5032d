"""Every metric of the data plane, in one place to read.

Names are OpenTelemetry's in Prometheus form; the gateway's own begin with `gateway_`. `http_route` is the route's
name in the configuration: bounded, and it is what a reader looks up.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.observability.registry import Counter, Family, Gauge, Histogram, Labels


class Metrics:
    """The families of one worker."""

    def __init__(self) -> None:
        self.requests = Histogram(
            "http_server_request_duration_seconds",
            "Time from a request's head to the end of its answer.",
            ("http_request_method", "http_route", "http_response_status_code", "error_type"),
        )
        self.upstream = Histogram(
            "http_client_request_duration_seconds",
            "Time from a try's head to the end of the upstream's answer.",
            ("http_request_method", "gateway_cluster", "http_response_status_code", "error_type"),
        )
        self.replies = Counter(
            "gateway_local_replies",
            "Answers that the gateway made itself, by reason.",
            ("http_route", "reason", "http_response_status_code"),
        )
        self.refused = Counter(
            "gateway_protocol_refusals", "Connections whose bytes broke the protocol, by reason.", ("reason",)
        )
        self.turned_away = Counter(
            "gateway_connections_refused",
            "Connections closed before their first request, by reason.",
            ("gateway_listener", "reason"),
        )
        self.handshakes = Counter(
            "gateway_tls_handshakes",
            "TLS handshakes with clients: complete, or why not.",
            ("gateway_listener", "result"),
        )
        self.certificate_loads = Counter(
            "gateway_certificate_loads", "Certificates read, at start or renewed.", ("gateway_listener", "result")
        )
        self.upstream_tls_failures = Counter(
            "gateway_upstream_tls_failures",
            "Connections to endpoints given up because TLS failed, by reason.",
            ("gateway_cluster", "reason"),
        )
        self.shadowed = Counter(
            "gateway_shadow_denials", "What filters in shadow mode would have refused.", ("filter", "reason")
        )
        self.store_questions = Counter(
            "gateway_store_questions",
            "Questions to a store: answered, failed, skipped while it is down; and why it went down.",
            ("store", "result"),
        )
        self.undecided = Counter(
            "gateway_store_failure_decisions",
            "Requests that a filter decided as declared, because its store gave no answer.",
            ("filter", "store", "decision"),
        )
        self.filter_errors = Counter(
            "gateway_filter_errors", "Exceptions inside filters; each one denied its request.", ("filter",)
        )
        self.operations = Counter(
            "gateway_operations",
            "Operations that a guard or validation let pass, by type and name; unknown names are _OTHER.",
            ("http_route", "operation_type", "operation_name"),
        )
        self.misfits = Counter(
            "gateway_schema_violations",
            "Requests and answers that do not fit their OpenAPI document, refused or reported.",
            ("http_route", "direction", "where"),
        )
        self.stripped = Counter(
            "gateway_schema_fields_stripped",
            "Fields taken out of answers because their OpenAPI document does not name them.",
            ("http_route",),
        )
        self.broken = Counter("gateway_broken_answers", "Answers cut off so that the client can see it.", ("reason",))
        self.client_gone = Counter("gateway_clients_gone", "Clients that left before their answer was complete.")
        self.stale_retries = Counter(
            "gateway_stale_connection_retries",
            "Idempotent requests sent again because a kept connection closed under them.",
        )
        self.jwks = Counter("gateway_jwks_fetches", "Fetches of an issuer's keys.", ("provider", "result"))
        self.tokens = Counter("gateway_token_checks", "Tokens looked at, by how it ended.", ("provider", "result"))
        self.introspections = Counter(
            "gateway_token_introspections",
            "Issuers asked about a token, by what came of it.",
            ("gateway_cluster", "result"),
        )
        self.authorizations = Counter(
            "gateway_external_authorizations",
            "Services asked whether a request may pass, by what came of it.",
            ("gateway_cluster", "result"),
        )
        self.key_checks = Counter("gateway_api_key_checks", "API keys looked at, by how it ended.", ("result",))
        self.key_file_loads = Counter("gateway_api_key_file_loads", "Files of API keys read.", ("result",))
        self.spans_dropped = Counter("gateway_spans_dropped", "Spans that could not be kept or exported.", ("reason",))
        self.log_lines_dropped = Counter("gateway_access_log_dropped", "Access log lines that could not be written.")
        self._gauges: list[Gauge] = []

    def gauge(self, name: str, help_text: str, labels: Labels, read: Callable[[], dict[Labels, float]]) -> None:
        """Add a gauge that is read when somebody asks."""
        self._gauges.append(Gauge(name, help_text, labels, read))

    def families(self) -> list[Family]:
        """Everything, for the channel to control."""
        own = [family.family() for family in vars(self).values() if isinstance(family, Counter | Histogram)]
        return own + [gauge.family() for gauge in self._gauges]
