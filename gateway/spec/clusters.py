"""Clusters: endpoints that do the same work, how they are found, chosen and left out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.spec.base import Model
from gateway.spec.endpoints import HashOn, HealthCheck, ListedEndpoint, OutlierDetection
from gateway.spec.fields import (
    Address,
    AllowedNetwork,
    CalledHost,
    Duration,
    File,
    Integer,
    Name,
    Network,
    Port,
    ServerName,
    SpiffeId,
)
from gateway.spec.shared import AuditAccept, Certificate
from gateway.spec.tries import RetryBudget


class ClusterTls(Model):
    """TLS towards endpoints. Their certificates are always verified: there is no switch against that."""

    ca: File | None = None
    """Whom to believe instead of the authorities that the system trusts."""
    server_name: ServerName | None = None
    """Asked for (SNI) and looked for in the certificate instead of the endpoint's host."""
    client_certificate: Certificate | None = None
    identity: SpiffeId | None = None
    """Who exactly the endpoints must be in the mesh; this process shows its own certificate of the mesh."""


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
