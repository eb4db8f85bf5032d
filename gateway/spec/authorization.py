"""The configuration of the filters that authorize requests: the short form, and rules in Istio's order."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.spec.cel import MAX_LENGTH
from gateway.spec.fields import AbsolutePath, Duration, Flag, HeaderName, Name, Network, Principal, Token
from gateway.spec.models import FilterSpec, Model


class Authorize(FilterSpec):
    """Require scopes (all of them) and claims (any listed value each) of the verified token."""

    type: Literal["Authorize"] = "Authorize"
    scopes: tuple[str, ...] = ()
    claims: dict[str, tuple[str, ...]] = Field(default_factory=dict)


class Conditions(Model):
    """What a request must be like: every key that is there must hold, of a list any item (of scopes all)."""

    methods: tuple[Token, ...] = ()
    paths: tuple[AbsolutePath, ...] = ()
    addresses: tuple[Network, ...] = ()
    principals: tuple[Principal, ...] = ()
    scopes: tuple[str, ...] = ()
    claims: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    when: Annotated[str, Field(min_length=1, max_length=MAX_LENGTH)] | None = None

    @property
    def empty(self) -> bool:
        """Whether it would hold for everything."""
        lists = (self.methods, self.paths, self.addresses, self.principals, self.scopes, self.claims)
        return not any(lists) and self.when is None


class Rule(Conditions):
    """A named set of conditions; it applies when all hold, unless all of `unless` hold as well (Istio: `not…`)."""

    name: Name
    unless: Conditions | None = None


class AuthorizationPolicy(FilterSpec):
    """DENY rules, then ALLOW rules; when there are ALLOW rules and none applies, deny (Istio's order)."""

    type: Literal["AuthorizationPolicy"] = "AuthorizationPolicy"
    deny: tuple[Rule, ...] = ()
    allow: tuple[Rule, ...] = ()
    enforced: Flag = True
    """False is shadow mode: evaluated and counted, never refused."""

    @property
    def proves_identity(self) -> bool:
        """Whether only clients with a certificate of somebody known can pass."""
        return self.enforced and bool(self.allow) and all(rule.principals for rule in self.allow)


class IpAccess(FilterSpec):
    """Networks that may come, and networks that may not; a network that may not wins."""

    type: Literal["IpAccess"] = "IpAccess"
    deny: tuple[Network, ...] = ()
    allow: tuple[Network, ...] = ()
    enforced: Flag = True
    """False is shadow mode: evaluated and counted, never refused."""


class ExternalAuthorization(FilterSpec):
    """Ask a service over HTTP whether a request may pass (Envoy: ext_authz)."""

    type: Literal["ExternalAuthorization"] = "ExternalAuthorization"
    cluster: Name
    path_prefix: AbsolutePath | None = None
    timeout: Annotated[Duration, Field(gt=0, le=30)] = 0.2
    allowed_headers: tuple[HeaderName, ...] = ()
    """Of the request, sent besides Authorization."""
    allowed_upstream_headers: tuple[HeaderName, ...] = ()
    """Of its answer, given to the upstream."""
    allowed_client_headers: tuple[HeaderName, ...] = ("www-authenticate", "location")
    """Of its refusal, given to the client."""
    failure_mode_allow: Flag = False
    """True is fail open: everything passes while it does not answer."""
