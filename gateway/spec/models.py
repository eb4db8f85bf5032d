"""Desired state: what a configuration file may say, and nothing else.

The problem: a gateway that guesses what a file meant is a gateway that opens by mistake. The rule: every
model is frozen and forbids unknown keys, names follow the Kubernetes Gateway API where it has one
(HTTPRoute: https://gateway-api.sigs.k8s.io/api-types/httproute/), and whatever cannot be decided from one
model alone (references, duplicate names, protection of routes) is checked in `gateway.spec.checks`. The parts stand
in modules of their own, and are had from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, SerializeAsAny

from gateway.spec.base import Model
from gateway.spec.canaries import Canary, CanaryHeader, CanaryLatency, CanaryRollback
from gateway.spec.clusters import Addresses, Cluster, ClusterTls, Dns, Forward
from gateway.spec.fields import Duration, Flag, Integer, Percent
from gateway.spec.filter_spec import FILLED_IN, FilterSpec
from gateway.spec.listeners import (
    ClientCertificates,
    Egress,
    ForwardProxy,
    Leaving,
    Listener,
    ListenerTls,
    ProxyProtocol,
)
from gateway.spec.providers import JwksSource, JwtProvider, Revocation
from gateway.spec.routes import BackendRef, Match, PathMatch, Route, Timeouts, ValueMatch, WebSocket
from gateway.spec.shared import AuditAccept, Certificate
from gateway.spec.stores import CacheZone, Store, StoreTls


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
    "FILLED_IN",
    "AccessLog",
    "Addresses",
    "AuditAccept",
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
    "WebSocket",
]
