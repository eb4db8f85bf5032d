"""Listeners: where clients connect, how, and what leaves through them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.spec.base import Model
from gateway.spec.fields import Address, Duration, File, Flag, HeaderName, Integer, Name, Network, Port
from gateway.spec.shared import AuditAccept, Certificate


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
