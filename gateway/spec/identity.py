"""The configuration of the filters that find out who a request comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final, Literal

from pydantic import Field

from gateway.spec.fields import AbsolutePath, Duration, File, Flag, HeaderName, Integer, Name, SiteOrigin
from gateway.spec.models import FilterSpec, Model

Text = Annotated[str, Field(min_length=1, max_length=256)]


class ClaimToHeader(Model):
    """A claim of the verified token that the upstream gets as a header (Istio: outputClaimToHeaders)."""

    claim: Text
    header: HeaderName


class Jwt(FilterSpec):
    """Require a valid token of one of these providers (RFC 6750, RFC 8725)."""

    type: Literal["JWT"] = "JWT"
    provider: Name | None = None
    providers: tuple[Name, ...] = ()
    """Several: the token's `iss` chooses among these, and among no others."""
    audiences: tuple[Text, ...] = ()
    """Instead of the provider's own."""
    required_claims: tuple[Text, ...] = ()
    claims_to_headers: tuple[ClaimToHeader, ...] = ()
    certificate_bound: Flag = False
    """Only tokens that are bound to the client's certificate (RFC 8705)."""
    dpop: Flag = False
    """Also tokens that are bound to a key; a DPoP filter follows and asks for the proof (RFC 9449)."""

    @property
    def all_providers(self) -> tuple[str, ...]:
        """Whichever way they were written."""
        return self.providers if self.provider is None else (self.provider,)


class ApiKey(FilterSpec):
    """Require an API key of one file (gateway.spec.api_keys)."""

    type: Literal["ApiKey"] = "ApiKey"
    keys: File
    header: HeaderName = "x-api-key"
    claims_to_headers: tuple[ClaimToHeader, ...] = ()


class TokenIntrospection(FilterSpec):
    """Require a token that its issuer says is good, now (RFC 7662)."""

    type: Literal["TokenIntrospection"] = "TokenIntrospection"
    cluster: Name
    path: AbsolutePath
    client_id: Text
    client_secret: File
    """A file with the secret, so that it stands in no configuration."""
    audiences: tuple[Text, ...] = ()
    required_claims: tuple[Text, ...] = ()
    claims_to_headers: tuple[ClaimToHeader, ...] = ()
    certificate_bound: Flag = False
    """Only tokens that are bound to the client's certificate (RFC 8705)."""
    timeout: Annotated[Duration, Field(gt=0, le=30)] = 2.0
    cache_for: Annotated[Duration, Field(le=300)] = 10.0
    """How long an answer is believed: so long a revoked token may still pass."""
    stale_for: Annotated[Duration, Field(le=3_600)] = 0.0
    """How much longer while the issuer does not answer; 0 is fail closed."""
    cache_entries: Integer = Field(10_000, gt=0, le=1_000_000)


class Dpop(FilterSpec):
    """Require the proof that a token's key is at hand, made for this request (RFC 9449)."""

    type: Literal["DPoP"] = "DPoP"
    required: Flag = True
    """False lets tokens pass that are bound to nothing."""
    base_url: SiteOrigin | None = None
    """What clients call us; None: the listener's scheme and the request's Host."""
    max_age: Annotated[Duration, Field(gt=0, le=600)] = 60.0
    max_proofs: Integer = Field(100_000, gt=0, le=10_000_000)
    """Proofs remembered at one time, so that none is used twice; in each worker that remembers for itself."""
    store: Name | None = None
    """None: each worker remembers for itself."""
    on_store_failure: Literal["fail_open", "fail_closed"] | None = None


class OnwardToken(Model):
    """Another service that the one behind the route asks in the caller's name."""

    audience: Name
    scopes: tuple[Text, ...] | None = None
    """Of the scopes that the route's own token has; None: all of them."""


class InternalToken(FilterSpec):
    """Give the service a short token of the gateway's own in place of the caller's (RFC 9068; after RFC 8693)."""

    type: Literal["InternalToken"] = "InternalToken"
    audiences: tuple[Text, ...] = Field(min_length=1)
    """For whom it is: the service behind the route."""
    onward: tuple[OnwardToken, ...] = Field((), max_length=8)
    """Whom that one asks in turn. In the mesh each gets a token of its own; without one, this token names them too."""
    scopes: tuple[Text, ...] | None = None
    """Of the caller's scopes those that stay; None: all, []: none."""
    claims: tuple[Text, ...] = ()
    """Further claims of the caller's token that go over, where it has them."""
    issuer: Text = "urn:gatehouse:gateway"
    lifetime: Annotated[Duration, Field(ge=10, le=600)] = 60.0
    cache_entries: Integer = Field(10_000, gt=0, le=1_000_000)

    def mistakes(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Claims that the gateway says itself, audiences that come twice, scopes from nowhere."""
        for index, name in enumerate(self.claims):
            if name in _SAID_BY_US:
                yield ("claims", index), f'the gateway says "{name}" itself; leave it out'
        named = [*self.audiences]
        for index, one in enumerate(self.onward):
            if one.audience in named:
                yield ("onward", index, "audience"), f'"{one.audience}" is named before'
            named.append(one.audience)
            for place, scope in enumerate(one.scopes or ()):
                if self.scopes is not None and scope not in self.scopes:
                    yield ("onward", index, "scopes", place), f'the token itself does not have the scope "{scope}"'


_SAID_BY_US: Final = frozenset(
    ("iss", "sub", "aud", "exp", "nbf", "iat", "jti", "scope", "client_id", "azp", "act", "cnf", "sid")
)
"""`cnf` and `sid` would say of this token what is true of the caller's only."""


class Jwks(FilterSpec):
    """Answer with the public keys of the gateway's own tokens."""

    type: Literal["Jwks"] = "Jwks"
