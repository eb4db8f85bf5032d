"""Routes: which requests, through which filters, to which clusters (Gateway API HTTPRoute)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SerializeAsAny

from gateway.spec.base import Model
from gateway.spec.canaries import Canary
from gateway.spec.endpoints import SessionPersistence
from gateway.spec.fields import AbsolutePath, Duration, Flag, Hostname, Integer, Name, Origin, Token
from gateway.spec.filter_spec import FilterSpec
from gateway.spec.shared import AuditAccept
from gateway.spec.tries import Faults, Retry


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


class BackendRef(Model):
    """A share of the route's traffic for one cluster; weight 0 gets nothing."""

    cluster: Name
    weight: Integer = Field(1, ge=0, le=1_000_000)


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
