"""Every metric of the data plane, in one place to read.

Names are OpenTelemetry's in Prometheus form; the gateway's own begin with `gateway_`. `http_route` is the route's
name in the configuration: bounded, and it is what a reader looks up.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.observability.registry import BoundedCounter, Counter, Family, Gauge, Histogram, Labels


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
        self.dns_resolutions = Counter(
            "gateway_dns_resolutions",
            "Host names of endpoints resolved, by what came of it.",
            ("gateway_cluster", "result"),
        )
        self.egress_denied = Counter(
            "gateway_egress_denied", "Calls to the outside that were not let out, by reason.", ("reason",)
        )
        self.mesh_requests = Histogram(
            "gateway_mesh_request_duration_seconds",
            "Requests between identities of a mesh, as the reporting side saw them.",
            ("reporter", "source", "destination", "security", "http_response_status_code", "reason"),
        )
        self.mesh_denials = BoundedCounter(
            "gateway_mesh_denials",
            "Requests that a policy refused, by who called whom and by the line that decided.",
            ("source", "destination", "reason", "policy"),
        )
        self.mesh_revoked = Counter(
            "gateway_mesh_revoked_connections",
            "Connections ended because the certificate of the other side was revoked, by listener or cluster.",
            ("where",),
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
            "gateway_filter_errors", "Exceptions inside filters; each one denied a request or its answer.", ("filter",)
        )
        self.operations = Counter(
            "gateway_operations",
            "Operations that a guard, validation or mediation let pass; unknown names are _OTHER.",
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
        self.cache_requests = Counter(
            "gateway_cache_requests", "Requests that came to a cache, by what became of them.", ("http_route", "result")
        )
        self.compressed = Counter(
            "gateway_compressed_answers", "Answers that were compressed.", ("http_route", "encoding")
        )
        self.broken = Counter("gateway_broken_answers", "Answers cut off so that the client can see it.", ("reason",))
        self.client_gone = Counter("gateway_clients_gone", "Clients that left before their answer was complete.")
        self.stale_retries = Counter(
            "gateway_stale_connection_retries",
            "Idempotent requests sent again because a kept connection closed under them.",
        )
        self.ejections = Counter(
            "gateway_outlier_ejections",
            "Endpoints that got no requests for a while because of how their answers were.",
            ("gateway_cluster", "reason"),
        )
        self.health_checks = Counter(
            "gateway_health_checks", "Endpoints asked whether they are well.", ("gateway_cluster", "result")
        )
        self.overflows = Counter(
            "gateway_cluster_overflows",
            "Requests refused because a cluster had as much to do as it may, by the threshold that was reached.",
            ("gateway_cluster", "threshold"),
        )
        self.retries = Counter(
            "gateway_retries",
            "Tries that followed a failed one, by the class of that failure and how they ended.",
            ("http_route", "gateway_cluster", "class", "result"),
        )
        self.retries_refused = Counter(
            "gateway_retries_refused",
            "Failures of a class that is repeated which no other try followed, by the reason.",
            ("http_route", "gateway_cluster", "class", "reason"),
        )
        self.faults = Counter(
            "gateway_faults_injected",
            "Tries that met a fault planted in the configuration.",
            ("http_route", "gateway_cluster", "fault"),
        )
        self.jwks = Counter("gateway_jwks_fetches", "Fetches of an issuer's keys.", ("provider", "result"))
        self.tokens = Counter("gateway_token_checks", "Tokens looked at, by how it ended.", ("provider", "result"))
        self.revocation_delays = Histogram(
            "gateway_revocation_delay_seconds",
            "Time from an issuer's taking a token back to a worker's knowing it.",
            ("provider",),
        )
        self.revocations_unreadable = Counter(
            "gateway_revocations_unreadable", "Published revocations that could not be understood.", ("provider",)
        )
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
        self.mirrored = Counter(
            "gateway_mirrored_requests",
            "Copies of requests for another cluster, by what came of them.",
            ("http_route", "gateway_cluster", "result"),
        )
        self.key_checks = Counter("gateway_api_key_checks", "API keys looked at, by how it ended.", ("result",))
        self.key_file_loads = Counter("gateway_api_key_file_loads", "Files of API keys read.", ("result",))
        self.spans_dropped = Counter("gateway_spans_dropped", "Spans that could not be kept or exported.", ("reason",))
        self.log_lines_dropped = Counter("gateway_access_log_dropped", "Access log lines that could not be written.")
        self._gauges: list[Gauge] = []
        self._counters: dict[str, BoundedCounter] = {}

    def counter(self, name: str, help_text: str, labels: Labels = ()) -> BoundedCounter:
        """A counter of a filter's own; the same one for everybody who asks by this name, also after a reload.

        `name` is without `_total`. Of label values it takes 1000 combinations; later ones count as `_OTHER`.

        Raises:
            ValueError: the name is taken: by one of ours, or with other labels.
        """
        known = self._counters.get(name)
        if known is None:
            if any(one["name"] == name for one in self.families()):
                raise ValueError(f"the metric {name} is one of the gateway's own: give yours another name")
            known = self._counters[name] = BoundedCounter(name, help_text, labels)
        if known.labels != labels:
            raise ValueError(f"the metric {name} is there with the labels {', '.join(known.labels) or '(none)'}")
        return known

    def gauge(self, name: str, help_text: str, labels: Labels, read: Callable[[], dict[Labels, float]]) -> None:
        """Add a gauge that is read when somebody asks."""
        self._gauges.append(Gauge(name, help_text, labels, read))

    def families(self) -> list[Family]:
        """Everything, for the channel to control."""
        own = [family.family() for family in vars(self).values() if isinstance(family, Counter | Histogram)]
        added = [counter.family() for counter in self._counters.values()]
        return own + added + [gauge.family() for gauge in self._gauges]
