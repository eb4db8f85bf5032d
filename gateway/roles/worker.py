"""What the exchanges of one process share: the snapshot in force, clocks, counters, and what is told of each request.

The problem: a request's end must be counted, logged, traced and shown, and none of it may slow the next request
down. The rule: at its end an exchange becomes one record; what the record costs depends on who listens: nobody
(metrics only), the access log, the control process, the trace collector.
"""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from random import Random
from typing import Any, Final

from gateway.compile.compiler import Endpoints, Runtime, compile_spec, retired
from gateway.compile.snapshot import Snapshot
from gateway.filters.cache_store import Zone
from gateway.filters.provider import Provider
from gateway.filters.revocations import Revocations
from gateway.filters.signing import SigningKeys
from gateway.http.messages import Reply, Request
from gateway.http.server import ServerConnection
from gateway.http.status import status_line
from gateway.observability.access_log import AccessLog, Record
from gateway.observability.export import SpanExporter
from gateway.observability.metrics import Metrics
from gateway.observability.registry import method_label
from gateway.observability.tracing import Ids, SpanRecord
from gateway.roles.canary import count_side
from gateway.roles.clusters import add_cluster_gauges, cluster_view
from gateway.roles.ending import Ending
from gateway.roles.exchange import Exchange
from gateway.roles.facts import Facts
from gateway.roles.mesh_edges import MeshEdges
from gateway.roles.past import Past
from gateway.roles.records import access_record, client_span, refusal_record, server_span
from gateway.roles.replies import RENDERERS, reply_lines
from gateway.spec.models import Spec
from gateway.upstream.canary import Orders
from gateway.upstream.cluster import Cluster
from gateway.upstream.redis_account import Account
from gateway.upstream.resolver import Resolver, SystemResolver
from gateway.upstream.session import session_key
from gateway.upstream.store import Store
from gateway.upstream.workload import Workload

log = logging.getLogger("gateway.worker")

ExchangeKind = Callable[["Worker", Request, ServerConnection], Exchange]

MAX_RECENT: Final = 200
"""Records kept for the control process between two reports."""


class Worker:
    """One process of the data plane."""

    def __init__(
        self,
        name: str,
        clock: Callable[[], float],
        random: Random,
        state_dir: Path | None,
        redis: Account | None = None,
        workload: Workload | None = None,
        app_secret: str = "",
        resolver: Resolver | None = None,
        wall: Callable[[], float] = time.time,
        signing: SigningKeys | None = None,
    ) -> None:
        """`clock` is monotonic, `wall` counts from 1970, both in seconds.

        `redis` is the supervisor's own, if it runs one; `workload` who we are in the mesh, if there is one;
        `app_secret` what a sidecar and its service know; `resolver` knows host names, the system's if nobody does;
        `signing` are the keys that all workers of the instance have.
        """
        self.name = name
        self.clock = clock
        self.random = random
        self.metrics = Metrics()
        self.runtime = Runtime(
            self.metrics,
            clock,
            wall,
            random,
            redis,
            workload,
            app_secret,
            resolver or SystemResolver(),
            signing or SigningKeys.of_our_own(),
            session_key(state_dir),
        )
        self.exchanges: set[Ending] = set()
        self.snapshot = Snapshot.empty()
        self._retired: list[Cluster] = []
        """Clusters of former snapshots in which something is still in flight."""
        self.access_log = AccessLog(None)
        self.exporter: SpanExporter | None = None
        self.recent: list[Record] = []
        """The latest records, for whoever watches; empty while nobody does."""
        self.past = Past()
        """Explanations of denied and of sampled requests, likewise."""
        self.watched = False
        self.date_line = b""
        self.draining = False
        self._edges = MeshEdges(self.metrics, workload, name) if workload is not None else None
        self._state_dir = state_dir
        self.sample_ratio = 0.0
        """The share of requests to record."""
        self.passes_on = False
        """Whether trace context goes on as it came."""
        self._addresses: dict[str, str] = {}
        self._orders: Orders = {}
        self.certificate_expiry: dict[tuple[str, ...], float] = {}
        """Seconds since the epoch by worker, listener and certificate file."""
        self._add_gauges()
        self.tick()

    # -- configuration ---------------------------------------------------------------------------------------

    def apply(self, spec: Spec, endpoints: Endpoints, version: int) -> list[Provider | Store]:
        """Compile and swap in one go: where nothing else runs in the meantime."""
        return self.swap(self.prepare(spec, endpoints, version))

    def prepare(self, spec: Spec, endpoints: Endpoints, version: int) -> Snapshot:
        """A snapshot that takes over what did not change; touches nothing that requests use, so any thread may.

        Raises:
            Exception: the spec does not compile here.
        """
        return compile_spec(spec, endpoints, version, self.runtime, self.snapshot)

    def swap(self, after: Snapshot) -> list[Provider | Store]:
        """Put a snapshot in force; returns providers and stores that are no longer used, for the caller to close."""
        self._obey(after)
        before, self.snapshot = self.snapshot, after  # from here on every new request is decided by it
        self.passes_on = after.spec.tracing.pass_on
        self.sample_ratio = after.spec.tracing.sampled if self.exporter else 0.0
        self._open_access_log(after.spec)
        for found in after.clusters.values():
            found.start()
        for provider in after.providers.values():
            provider.start()
        clusters, closing = retired(before, after)
        for cluster in clusters:
            cluster.retire()
        self._retired = [one for one in (*self._retired, *clusters) if one.connections or one.pending]
        for cluster, spec, addresses in after.moved:
            cluster.update(spec, addresses)
            for provider in after.providers.values():
                if provider.cluster is cluster:
                    provider.ask_again()
        return closing

    def leaving(self, address: str) -> int:
        """How many requests may still reach an endpoint that is left out: who stops it waits for 0."""
        clusters = (*self.snapshot.clusters.values(), *self._retired)
        undecided = (one.route for one in self.exchanges if one.route is not None and one.upstream is None)
        later = sum(any(cluster.had(address) for cluster in route.clusters) for route in undecided)
        return later + sum(cluster.leaving(address) for cluster in clusters)

    def obey(self, orders: Orders) -> None:
        """Take up control's decisions about canaries; they hold for snapshots to come, too."""
        self._orders = orders
        self._obey(self.snapshot)

    def _obey(self, snapshot: Snapshot) -> None:
        for name, canary in snapshot.canaries.items():
            canary.obey(self._orders.get(name))

    def canary_reports(self) -> dict[str, Any]:
        """What both sides of each canary did, for the channel to control."""
        return {name: canary.report() for name, canary in self.snapshot.canaries.items()}

    def _open_access_log(self, spec: Spec) -> None:
        path = None
        if spec.access_log.enabled and self._state_dir is not None:
            path = self._state_dir / "logs" / spec.access_log.path
        if path != self.access_log.path:
            self.access_log.close()
            self.access_log = AccessLog(path, self.metrics.log_lines_dropped)

    def _add_gauges(self) -> None:
        self.metrics.gauge(
            "http_server_active_requests", "Requests being answered.", (), lambda: {(): len(self.exchanges)}
        )
        self.metrics.gauge(
            "gateway_config_worker_version",
            "The configuration version that a worker serves.",
            ("worker",),
            lambda: {(self.name,): self.snapshot.version},
        )
        self.metrics.gauge(
            "gateway_revocation_entries",
            "Revocations that a worker knows and that no token has outlived.",
            ("worker", "provider"),
            lambda: {(self.name, name): float(len(one.revoked)) for name, one in self._revocations()},
        )
        self.metrics.gauge(
            "gateway_revocation_staleness_seconds",
            "How long ago a worker last heard from the store that it knows all revocations.",
            ("worker", "provider"),
            lambda: {(self.name, name): one.staleness for name, one in self._revocations()},
        )
        self.metrics.gauge(
            "gateway_certificate_expiry_timestamp_seconds",
            "When the certificate that a worker serves expires.",
            ("worker", "gateway_listener", "certificate"),
            lambda: dict(self.certificate_expiry),
        )
        add_cluster_gauges(self.metrics, self.name, lambda: self.snapshot.clusters)
        named = ("gateway_cache",)
        self.metrics.gauge(
            "gateway_cache_bytes", "Memory that kept answers take.", named, lambda: self._kept(lambda one: one.bytes)
        )
        self.metrics.gauge("gateway_cache_entries", "Answers kept.", named, lambda: self._kept(len))

    def _kept(self, attribute: Callable[[Zone], int]) -> dict[tuple[str, ...], float]:
        return {(name,): attribute(one) for name, one in self.snapshot.caches.items()}

    def _revocations(self) -> list[tuple[str, Revocations]]:
        providers = self.snapshot.providers.items()
        return [(name, one.revocations) for name, one in providers if one.revocations is not None]

    # -- each request ----------------------------------------------------------------------------------------

    def handle(self, request: Request, connection: ServerConnection, kind: ExchangeKind = Exchange) -> None:
        """Begin an exchange."""
        client = connection.peer if not connection.server.trusted_hops else self._client(request, connection)
        request.client = client
        request.address = self._addresses.get(client) or self.limit_address(client)
        exchange = connection.exchange = kind(self, request, connection)
        self.exchanges.add(exchange)
        exchange.start()

    def _client(self, request: Request, connection: ServerConnection) -> str:
        """The peer, or what trusted proxies in front of us said, counted from the nearest (Envoy: num_trusted_hops)."""
        hops = connection.server.trusted_hops
        entries = [
            one.strip() for value in request.all(b"x-forwarded-for") for one in value.decode("latin-1").split(",")
        ]
        claimed = entries[-hops] if len(entries) >= hops else connection.peer
        try:
            return str(ipaddress.ip_address(claimed))
        except ValueError:
            return connection.peer

    def limit_address(self, client: str) -> str:
        """Whose limit it is: one IPv6 host owns a whole /64, so that is what counts."""
        known = self._addresses.get(client)
        if known is not None:
            return known
        if len(self._addresses) >= 10_000:
            del self._addresses[next(iter(self._addresses))]
        network = self._addresses[client] = _network(client) if ":" in client else client
        return network

    def sampled(self) -> bool:
        """The decision to record a request, made before anything is recorded."""
        return self.random.random() < self.sample_ratio

    def try_ended(self, exchange: Facts, error: str) -> None:
        """Count one try at an upstream, and write its span down."""
        assert exchange.cluster is not None
        status = str(exchange.upstream_status) if not error else ""
        labels = (method_label(exchange.request.target_method), exchange.cluster.name, status, error)
        self.metrics.upstream.observe(labels, exchange.upstream_seconds)
        if exchange.sampled:
            self._export(client_span(exchange, error))

    def finished(self, exchange: Facts) -> None:
        """Count, log, show and trace one exchange."""
        request = exchange.request
        duration = self.clock() - exchange.started
        error = exchange.reason if exchange.status >= 500 or exchange.status == 499 else ""
        route = exchange.route.name if exchange.route else ""
        if exchange.route is not None and exchange.route.canary is not None:
            count_side(exchange, exchange.route.canary)
        labels = (method_label(request.method), route, str(exchange.status), error)
        bucket = self.metrics.requests.observe(labels, duration)
        if self._edges is not None:
            self._edges.count(exchange, duration)
        if exchange.sampled:
            self.metrics.requests.exemplar(labels, bucket, (exchange.ids.trace_id, duration, time.time()))
            self._export(server_span(exchange, duration))
        if self.watched or self.access_log.path is not None:
            self._tell(access_record(exchange, duration))
            if self.watched and (exchange.sampled or exchange.reason or exchange.status >= 400):
                self.past.add(exchange, duration)

    def refuse(self, reply: Reply, connection: ServerConnection) -> bytes:
        """The whole answer to bytes that are no request; counted and logged like one."""
        self.metrics.refused.add(reply.reason)
        ids = Ids(self.random)
        if self.watched or self.access_log.path is not None:
            self._tell(refusal_record(reply, connection.peer, ids))
            if self.watched:
                self.past.add_refusal(reply, connection.peer, ids)
        content_type, body = RENDERERS["problem"](reply, "", ids.trace_id)
        fields = reply_lines(reply, content_type, self.date_line)
        framing = b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        return status_line(reply.status) + fields + framing + body

    def _tell(self, record: Record) -> None:
        self.access_log.add(record)
        if not self.watched:
            return
        if len(self.recent) < MAX_RECENT:
            self.recent.append(record)
        elif record["reason"]:  # denied and failed ones matter more than the hundredth good one
            self.recent[self.random.randrange(MAX_RECENT)] = record

    def _export(self, span: SpanRecord) -> None:
        if self.exporter is not None:
            self.exporter.add(span)

    # -- time ------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Once a second: what all answers of the next second share."""
        self.date_line = f"date: {formatdate(usegmt=True)}\r\n".encode("ascii")

    def sweep(self) -> None:
        """End exchanges that have run out of time: one coarse pass instead of a timer per request."""
        now = self.clock()
        for exchange in list(self.exchanges):
            exchange.sweep(now)

    def busy(self) -> int:
        """Exchanges under way, for draining."""
        return len(self.exchanges)

    def cluster_view(self) -> dict[str, Any]:
        """The observed state of clusters, for the admin API."""
        now = self.clock()
        return {name: cluster_view(cluster, now) for name, cluster in self.snapshot.clusters.items()}


def _network(client: str) -> str:
    """The /64 of an IPv6 address; an IPv4 client met on an IPv6 socket (::ffff:192.0.2.1) stays one by itself."""
    address = ipaddress.IPv6Address(client.partition("%")[0])
    mapped = address.ipv4_mapped
    return str(mapped or ipaddress.ip_network((address, 64), strict=False))
