"""Desired state: what a configuration file may say, and nothing else.

The problem: a gateway that guesses what a file meant is a gateway that opens by mistake. The rule: every
model is frozen and forbids unknown keys, names follow the Kubernetes Gateway API where it has one
(HTTPRoute: https://gateway-api.sigs.k8s.io/api-types/httproute/), and whatever cannot be decided from one
model alone (references, duplicate names, protection of routes) is checked in `gateway.spec.checks`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field, SerializeAsAny, Strict

from gateway.spec.base import Model
from gateway.spec.endpoints import HashOn, HealthCheck, ListedEndpoint, OutlierDetection, SessionPersistence
from gateway.spec.fields import (
    AbsolutePath,
    Address,
    AllowedNetwork,
    CalledHost,
    Duration,
    File,
    Flag,
    HeaderName,
    HeaderValue,
    Hostname,
    Integer,
    Name,
    Network,
    Origin,
    Percent,
    Port,
    Secret,
    ServerName,
    SpiffeId,
    Token,
)
from gateway.spec.tries import Faults, Retry, RetryBudget

AuditAccept = dict[Name, Annotated[str, Field(min_length=3, max_length=300)]]
"""Findings of `gatehouse audit` that are wanted here: the check's id and the reason."""


class Certificate(Model):
    """A certificate chain, the server's or client's own first, and its private key; both PEM."""

    cert: File
    key: File


class ClientCertificates(Model):
    """Who may present a certificate: `required` refuses clients without one."""

    ca: File
    mode: Literal["optional", "required"] = "required"


class ListenerTls(Model):
    """TLS towards clients; the certificate is chosen by the name that the client asks for (SNI, RFC 6066 section 3)."""

    certificates: tuple[Certificate, ...] = ()
    """The first one serves clients that ask for no name or for one that no certificate has."""
    mesh: Flag = False
    """Instead of files: the certificate that this process has in the mesh; clients must show one of the mesh, too."""
    min_version: Literal["1.2", "1.3"] = "1.2"
    client_certificates: ClientCertificates | None = None
    handshake_timeout: Annotated[Duration, Field(gt=0)] = 10.0

    @property
    def asks_for_certificates(self) -> bool:
        """Whether clients can show who they are."""
        return self.mesh or self.client_certificates is not None


class ClusterTls(Model):
    """TLS towards endpoints. Their certificates are always verified: there is no switch against that."""

    ca: File | None = None
    """Whom to believe instead of the authorities that the system trusts."""
    server_name: ServerName | None = None
    """Asked for (SNI) and looked for in the certificate instead of the endpoint's host."""
    client_certificate: Certificate | None = None
    identity: SpiffeId | None = None
    """Who exactly the endpoints must be in the mesh; this process shows its own certificate of the mesh."""


class ProxyProtocol(Model):
    """Load balancers that say who the client is before its first byte; nobody else may connect."""

    trusted: tuple[Network, ...] = Field(min_length=1)


class Leaving(Model):
    """What stays inside when services of ours call others."""

    trace_context: Flag = False
    """Whether x-request-id, traceparent, tracestate and baggage go out."""
    remove_headers: tuple[HeaderName, ...] = ()
    """Taken away when the filters have seen them."""
    inside_issuers: tuple[str, ...] | None = None
    """Issuers whose tokens never go out; None: those of all providers."""


class ForwardProxy(Leaving):
    """Clients of this listener are services that call others by name: `GET http://host/path`, and CONNECT."""


class Egress(Leaving):
    """Clients of this listener are services that call one third party; a process of its own serves it."""

    third_party: Name
    """By its name in the manifest of services."""


class Listener(Model):
    """Where clients connect. Loopback unless told otherwise."""

    name: Name
    address: Address = "127.0.0.1"
    port: Port
    max_connections: Integer = Field(10_000, gt=0)
    max_connections_per_address: Integer | None = Field(None, ge=0)
    """None: half of `max_connections`, so that no single client can shut out the others; 0: no such limit."""
    max_requests_per_connection: Integer = Field(0, ge=0)
    """After so many the connection closes; 0 for no limit (Envoy: max_requests_per_connection)."""
    max_header_bytes: Integer = Field(32_768, ge=1_024, le=1_048_576)
    max_body_bytes: Integer = Field(10_485_760, ge=0)
    header_timeout: Duration = 10.0
    idle_timeout: Duration = 60.0
    body_grace: Duration = 20.0
    min_body_rate: Integer = Field(500, ge=0)
    """Bytes per second that a body must bring after its grace (Apache mod_reqtimeout: `body=20,MinRate=500`)."""
    trusted_hops: Integer = Field(0, ge=0, le=10)
    """How many proxies in front of us are ours, counted from the nearest (Envoy: xff_num_trusted_hops)."""
    tls: ListenerTls | None = None
    proxy_protocol: ProxyProtocol | None = None
    forward_proxy: ForwardProxy | None = None
    egress: Egress | None = None
    audit_accept: AuditAccept = Field(default_factory=dict)

    @property
    def leaving(self) -> Leaving | None:
        """What stays inside; None: this listener is no way out."""
        return self.forward_proxy or self.egress

    @property
    def connections_per_address(self) -> int:
        """Connections that one address may hold; 0 for no limit, as where trusted proxies bring everybody's."""
        if self.max_connections_per_address is not None:
            return self.max_connections_per_address
        return 0 if self.trusted_hops else (self.max_connections + 1) // 2


class JwksSource(Model):
    """Where an issuer's public keys are: a path on a cluster, never an address taken from a token."""

    cluster: Name
    path: AbsolutePath
    refresh: Duration = 300.0
    cooldown: Duration = 30.0


class Revocation(Model):
    """Where an issuer publishes the tokens that it has taken back before their time (gateway.filters.revocations)."""

    store: Name
    on_store_failure: Literal["fail_open", "fail_closed"]
    """What happens while nothing was heard for `max_staleness`: nobody can choose that for others."""
    name: Name | None = None
    """Under which name: the stream `revocations:NAME`. None: the provider's own."""
    max_staleness: Annotated[Duration, Field(ge=5, le=3_600)] = 30.0
    max_entries: Integer = Field(100_000, gt=0, le=10_000_000)


class JwtProvider(Model):
    """An issuer whose tokens are believed (RFC 7519, RFC 8725, RFC 9068)."""

    name: Name
    issuer: str = Field(min_length=1)
    audiences: tuple[str, ...] = Field(min_length=1)
    algorithms: tuple[Literal["RS256", "PS256", "ES256", "EdDSA"], ...] = ("RS256", "EdDSA")
    jwks: JwksSource
    leeway: Annotated[Duration, Field(le=60.0)] = 30.0
    cache_entries: Integer = Field(10_000, gt=0)
    revocation: Revocation | None = None
    """None: a token is good until it expires, whatever happened since."""
    audit_accept: AuditAccept = Field(default_factory=dict)


class Dns(Model):
    """How host names become addresses: beside the requests, again and again."""

    refresh: Annotated[Duration, Field(ge=1.0)] = 30.0
    retry: Annotated[Duration, Field(ge=0.1)] = 5.0
    """After a failure it is asked again so soon, and what failed is remembered for so long."""
    timeout: Annotated[Duration, Field(gt=0)] = 5.0
    family: Literal["any", "ipv4", "ipv6"] = "any"
    max_addresses: Integer = Field(64, ge=1, le=1_024)
    """Of one name."""
    hosts: dict[ServerName, tuple[Address, ...]] = Field(default_factory=dict)
    """Names that are not asked about (curl: --resolve, docker: extra_hosts). The address policy holds for them too."""


class Addresses(Model):
    """What a resolved address may be: in something that is allowed, and in nothing that is denied."""

    allow: tuple[AllowedNetwork, ...] = Field(("public",), min_length=1)
    deny: tuple[Network, ...] = ()


class Forward(Model):
    """Whom services may call: the host of the request is the endpoint (Envoy: dynamic_forward_proxy)."""

    hosts: tuple[CalledHost, ...] = Field(min_length=1)
    ports: tuple[Annotated[Port, Field(ge=1)], ...] = (80, 443)
    tunnel_ports: tuple[Annotated[Port, Field(ge=1)], ...] = (443,)
    """For CONNECT."""
    max_hosts: Integer = Field(256, ge=1, le=10_000)
    """Names and ports that are known at one time."""
    forget: Annotated[Duration, Field(ge=1.0)] = 300.0
    """A name that nobody calls for so long is no longer refreshed."""


class Cluster(Model):
    """A named set of endpoints that do the same work: listed here, found by service name, or whatever is called."""

    name: Name
    service: Name | None = None
    endpoints: tuple[ListedEndpoint, ...] = ()
    forward: Forward | None = None
    dns: Dns = Dns()
    addresses: Addresses | None = None
    """None: an endpoint may be anywhere; for `forward` only where it is public."""
    load_balancing: Literal["round_robin", "least_request", "random", "ring_hash"] = "least_request"
    hash_on: HashOn | None = None
    """What `ring_hash` goes by."""
    connect_timeout: Duration = 1.0
    idle_timeout: Duration = 30.0
    max_connections: Integer = Field(1_024, gt=0)
    max_pending: Integer = Field(1_024, ge=0)
    max_requests: Integer = Field(1_024, gt=0)
    max_requests_per_connection: Integer = Field(0, ge=0)
    """After so many a connection is not used again; 0 for no limit (Envoy: max_requests_per_connection)."""
    tls: ClusterTls | None = None
    panic_threshold: Integer = Field(50, ge=0, le=100)
    """With fewer percent of its endpoints usable all of them are used (Envoy: healthy_panic_threshold)."""
    outlier_detection: OutlierDetection | None = None
    health_check: HealthCheck | None = None
    retry_budget: RetryBudget = RetryBudget()
    audit_accept: AuditAccept = Field(default_factory=dict)

    @property
    def listed(self) -> tuple[str, ...]:
        """Host and port of the endpoints that stand here."""
        return tuple(one.address for one in self.endpoints)


class StoreTls(Model):
    """TLS towards a Redis. Its certificate is always verified, for the host of its address."""

    ca: File | None = None
    """Whom to believe instead of the authorities that the system trusts."""


class Store(Model):
    """A Redis that workers and gateways share; without `tls` only on a network that you trust."""

    name: Name
    service: Literal["redis"] | None = None
    """The Redis that the supervisor runs: it tells the workers where it is and who they are to it."""
    address: str | None = None
    user: str = ""
    password: Secret | None = Field(None, repr=False)
    password_file: File | None = None
    tls: StoreTls | None = None
    timeout: Annotated[Duration, Field(gt=0, le=10.0)] = 0.05
    """For one question, the wait for the one before it included."""
    cooldown: Annotated[Duration, Field(le=60.0)] = 1.0
    """After a failure nothing is asked for so long: a Redis that is away must not delay every request."""


class CacheZone(Model):
    """Memory in which each worker keeps answers (nginx: the zone of proxy_cache_path)."""

    name: Name
    max_bytes: Integer = Field(16_777_216, ge=65_536, le=1_073_741_824)
    max_entries: Integer = Field(10_000, gt=0, le=1_000_000)
    max_object_bytes: Integer = Field(1_048_576, ge=1_024)
    """A larger answer passes and is not kept; at most a quarter of `max_bytes`."""


class PathMatch(Model):
    """Gateway API HTTPPathMatch; PathPrefix compares whole segments."""

    type: Literal["Exact", "PathPrefix", "RegularExpression"] = "PathPrefix"
    value: AbsolutePath


class ValueMatch(Model):
    """One header or query parameter that must have this value."""

    type: Literal["Exact", "RegularExpression"] = "Exact"
    name: str = Field(min_length=1, max_length=256)
    value: str = Field(max_length=4_096)


class Match(Model):
    """All conditions of one match hold together; a route needs one of its matches."""

    path: PathMatch = PathMatch(value="/")
    method: Token | None = None
    headers: tuple[ValueMatch, ...] = ()
    query_params: tuple[ValueMatch, ...] = ()


FILLED_IN: Final = ("where", "digest", "contract")
"""Fields of filters and routes that the loader fills in: no keys of a file."""


class FilterSpec(Model):
    """The base of every filter's configuration: `type` names the filter, its own fields follow."""

    type: str
    where: str = Field("", exclude=False, repr=False)
    """`file:line` of this filter, filled in by the loader; what a denied client may be told."""
    digest: str = Field("", repr=False)
    """Of the content of `files`, filled in by the loader: a reload sees when one of them has changed."""

    def files(self) -> tuple[str, ...]:
        """The files whose content is a part of this filter's configuration."""
        return ()

    def loaded(self) -> FilterSpec:
        """This filter with what its files say, where workers are not to read them again."""
        return self

    def copies_to(self) -> tuple[str, ...]:
        """Clusters that get requests of its route besides the one that answers them."""
        return ()

    def mistakes(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """What is wrong with this filter beyond its single keys: where in it, and a sentence."""
        return iter(())


class BackendRef(Model):
    """A share of the route's traffic for one cluster; weight 0 gets nothing."""

    cluster: Name
    weight: Integer = Field(1, ge=0, le=1_000_000)


class CanaryHeader(Model):
    """Who carries `name: value` gets the canary, who carries another value of it does not; neither is drawn."""

    name: HeaderName
    value: HeaderValue = "always"


class CanaryLatency(Model):
    """Too slow is a quantile longer than `max` and more than `ratio` times that of the stable side."""

    quantile: Annotated[float, Strict(), Field(gt=0, lt=1)] = 0.95
    max: Annotated[Duration, Field(gt=0)]
    ratio: Annotated[float, Strict(), Field(ge=1)] = 1.5


class CanaryRollback(Model):
    """What the requests of one `window` must show for the canary to be taken out of use."""

    error_ratio: Percent = 0.05
    """By how much the canary's share of failing requests may exceed the stable side's; 1.0 never does."""
    latency: CanaryLatency | None = None
    min_requests: Integer = Field(50, ge=1)
    window: Annotated[Duration, Field(ge=1, le=600)] = 30.0


class Canary(Model):
    """A share of a route's requests for another version, which is taken back when it does worse."""

    cluster: Name
    weight: Integer = Field(0, ge=0, le=100)
    """Percent of the requests."""
    header: CanaryHeader | None = None
    rollback: CanaryRollback = CanaryRollback()

    @property
    def digest(self) -> str:
        """Of all it says: what was decided about a canary holds for as long as the file says the same of it."""
        return hashlib.sha256(self.model_dump_json(by_alias=True).encode()).hexdigest()[:16]


class Timeouts(Model):
    """`request` covers the whole exchange, `backendRequest` one try (GEP-1742); 0s switches one off."""

    request: Duration = 15.0
    backend_request: Duration = 15.0
    idle: Duration = 60.0
    propagate: Flag = False
    """Tell the service with each try how much time is left for it."""


class WebSocket(Model):
    """Which pages may open a WebSocket through a route, besides those of the host asked for."""

    origins: tuple[Origin, ...] = ()
    """Like `https://shop.example`; `*` allows every page."""


class Route(Model):
    """Which requests, through which filters, to which clusters."""

    name: Name
    listeners: tuple[Name, ...] = ()
    hostnames: tuple[Hostname, ...] = ()
    matches: tuple[Match, ...] = (Match(),)
    public: Flag = False
    errors: Literal["problem", "soap", "graphql"] = "problem"
    filters: tuple[SerializeAsAny[FilterSpec], ...] = ()
    backend_refs: tuple[BackendRef, ...] = ()
    canary: Canary | None = None
    timeouts: Timeouts = Timeouts()
    retry: Retry | None = None
    faults: Faults | None = None
    web_socket: WebSocket = WebSocket()
    session_persistence: SessionPersistence | None = None
    owner: str = ""
    version: str = ""
    lifecycle: Literal["experimental", "active", "deprecated", "retired"] = "active"
    audit_accept: AuditAccept = Field(default_factory=dict)
    where: str = Field("", repr=False)

    @property
    def destinations(self) -> tuple[str, ...]:
        """Every cluster that its requests may reach, copies of them included."""
        canary = (self.canary.cluster,) if self.canary else ()
        copies = tuple(cluster for one in self.filters for cluster in one.copies_to())
        return (*(ref.cluster for ref in self.backend_refs), *canary, *copies)


class Tracing(Model):
    """Which share of requests is recorded as spans. Context always travels on."""

    sampled: Percent = 1.0
    pass_on: Flag = False
    """Send on the trace context of trusted peers as it came, as if we were not there: no span of ours is in between."""


class AccessLog(Model):
    """One JSON line per request; `path` is absolute, or relative to `logs` in the state directory."""

    enabled: Flag = True
    path: str = "gateway-access.log"


class Spec(Model):
    """A whole configuration."""

    schema_version: ClassVar[int] = 1

    listeners: tuple[Listener, ...] = Field(min_length=1)
    providers: tuple[JwtProvider, ...] = ()
    clusters: tuple[Cluster, ...] = ()
    stores: tuple[Store, ...] = ()
    caches: tuple[CacheZone, ...] = ()
    filters: tuple[SerializeAsAny[FilterSpec], ...] = ()
    """Run on every route, before the route's own."""
    routes: tuple[Route, ...] = ()
    tracing: Tracing = Tracing()
    access_log: AccessLog = AccessLog()
    workers: Integer = Field(2, ge=1, le=64)
    drain_timeout: Duration = 10.0
    audit_accept: AuditAccept = Field(default_factory=dict)


FilterTypes = Mapping[str, type[FilterSpec]]
"""Every known filter's configuration model, by its `type`; the compiler hands it to the loader."""

Document = Mapping[str, Any]
"""A parsed YAML document before it is believed."""

__all__ = [
    "AccessLog",
    "Addresses",
    "BackendRef",
    "CacheZone",
    "Canary",
    "CanaryHeader",
    "CanaryLatency",
    "CanaryRollback",
    "Certificate",
    "ClientCertificates",
    "Cluster",
    "ClusterTls",
    "Dns",
    "Document",
    "Egress",
    "FilterSpec",
    "FilterTypes",
    "Forward",
    "ForwardProxy",
    "HeaderName",
    "JwksSource",
    "JwtProvider",
    "Leaving",
    "Listener",
    "ListenerTls",
    "Match",
    "Model",
    "PathMatch",
    "ProxyProtocol",
    "Revocation",
    "Route",
    "Spec",
    "Store",
    "StoreTls",
    "Timeouts",
    "Tracing",
    "ValueMatch",
]
