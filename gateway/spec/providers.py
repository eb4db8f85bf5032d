"""Issuers: whose tokens are believed, where their keys are, and what they have taken back."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.spec.base import Model
from gateway.spec.fields import AbsolutePath, Duration, Integer, Name
from gateway.spec.shared import AuditAccept


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
