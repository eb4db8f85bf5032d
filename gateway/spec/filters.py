"""The configuration of the filters that come with the gateway, one model each.

The problem: a filter's file should read as behaviour, not as parsing. The rule: everything a filter can be
told stands here and in the modules that this one names; names and meanings follow the Gateway API where it has the
filter.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict

from gateway.spec.authorization import AuthorizationPolicy, Authorize, Conditions, ExternalAuthorization, IpAccess, Rule
from gateway.spec.browsers import Cors, Csrf, SecurityHeaders
from gateway.spec.fields import AbsolutePath, Duration, Flag, HeaderName, HeaderValue, Hostname, Integer, Name
from gateway.spec.identity import ApiKey, ClaimToHeader, Dpop, InternalToken, Jwks, Jwt, OnwardToken, TokenIntrospection
from gateway.spec.models import FilterSpec, Model

__all__ = [
    "ApiKey",
    "AuthorizationPolicy",
    "Authorize",
    "ClaimToHeader",
    "Conditions",
    "Cors",
    "Csrf",
    "Dpop",
    "ExternalAuthorization",
    "Header",
    "HeaderModifier",
    "InternalToken",
    "IpAccess",
    "Jwks",
    "Jwt",
    "OnwardToken",
    "PathModifier",
    "RateLimit",
    "RateLimitKey",
    "RequestHeaderModifier",
    "RequestMirror",
    "RequestRedirect",
    "ResponseHeaderModifier",
    "Rule",
    "SecurityHeaders",
    "TokenIntrospection",
    "UrlRewrite",
]


class RateLimitKey(Model):
    """Whose bucket it is; claims are read from the verified token only."""

    type: Literal["Address", "Claim", "Header", "Route"] = "Address"
    name: str | None = None


class LimitSpec(FilterSpec):
    """What every limit says: its name, whose count it is, and where the count is kept."""

    name: Name = "default"
    key: RateLimitKey = RateLimitKey()
    store: Name | None = None
    """None: each worker counts for itself."""
    on_store_failure: Literal["fail_open", "fail_closed"] | None = None
    """What happens while the store does not answer; whoever names a store has to say."""
    enforced: Flag = True
    """False is shadow mode: evaluated and counted, never refused (Envoy: filter_enforced)."""
    max_keys: Integer = Field(100_000, gt=0)


class RateLimit(LimitSpec):
    """At most `requests` per `per` and key, with bursts up to `burst` (GCRA)."""

    type: Literal["RateLimit"] = "RateLimit"
    requests: Integer = Field(gt=0, le=1_000_000_000)
    per: Duration = 60.0
    burst: Integer | None = Field(None, gt=0)
    operations: tuple[Annotated[str, Field(min_length=1, max_length=200)], ...] = Field((), max_length=200)
    """Counts these operations alone, as a guard before it has found them in the body; none: whatever passes."""


class Plan(Model):
    """What a plan allows instead; without `per` the windows are those of the filter."""

    requests: Integer = Field(gt=0, le=1_000_000_000)
    per: Duration | None = None


class Quota(LimitSpec):
    """At most `requests` in each window of the calendar (UTC) and key; more, or less, by plan."""

    type: Literal["Quota"] = "Quota"
    requests: Integer = Field(gt=0, le=1_000_000_000)
    per: Duration = 86_400.0
    plan_claim: str = Field("plan", min_length=1)
    plans: dict[str, Plan] = Field(default_factory=dict)


class ConcurrencyLimit(FilterSpec):
    """At most `requests` under way at one time for each key, in each worker."""

    type: Literal["ConcurrencyLimit"] = "ConcurrencyLimit"
    name: Name = "concurrency"
    key: RateLimitKey = RateLimitKey()
    requests: Integer = Field(gt=0)
    enforced: Flag = True


class SizeLimit(FilterSpec):
    """How large bodies may be; where several apply, all hold."""

    type: Literal["SizeLimit"] = "SizeLimit"
    max_request_bytes: Integer | None = Field(None, ge=0)
    max_response_bytes: Integer | None = Field(None, ge=1)


class RequestMirror(FilterSpec):
    """Gateway API RequestMirror: a copy of a share of the requests for another cluster, whose answer nobody sees."""

    type: Literal["RequestMirror"] = "RequestMirror"
    cluster: Name
    percent: Annotated[float, Strict(), Field(gt=0, le=100)] = 100.0
    withhold: tuple[HeaderName, ...] = ("authorization", "cookie", "dpop")
    """Headers that the copy does not carry; `[]` lets it carry every credential."""
    max_body_bytes: Integer = Field(65_536, ge=0, le=10_485_760)
    """A larger request is not copied; its body is never held up for the copy."""
    max_requests: Integer = Field(64, gt=0, le=10_000)
    """Copies under way at one time, in each worker."""
    timeout: Annotated[Duration, Field(gt=0)] = 15.0

    def copies_to(self) -> tuple[str, ...]:
        """The one."""
        return (self.cluster,)


class Header(Model):
    """A header name and value to set or add."""

    name: HeaderName
    value: HeaderValue


class HeaderModifier(FilterSpec):
    """Gateway API HTTPHeaderFilter: `set` replaces, `add` appends, `remove` takes away."""

    set: tuple[Header, ...] = ()
    add: tuple[Header, ...] = ()
    remove: tuple[HeaderName, ...] = ()


class RequestHeaderModifier(HeaderModifier):
    """Change what the upstream receives."""

    type: Literal["RequestHeaderModifier"] = "RequestHeaderModifier"


class ResponseHeaderModifier(HeaderModifier):
    """Change what the client receives."""

    type: Literal["ResponseHeaderModifier"] = "ResponseHeaderModifier"


class PathModifier(Model):
    """Gateway API HTTPPathModifier, and `prefix`: what is exchanged on routes that match by regular expression."""

    type: Literal["ReplaceFullPath", "ReplacePrefixMatch"]
    value: AbsolutePath
    prefix: AbsolutePath | None = None


class UrlRewrite(FilterSpec):
    """Gateway API URLRewrite: another path or host name for the upstream, unseen by the client."""

    type: Literal["URLRewrite"] = "URLRewrite"
    hostname: Hostname | None = None
    path: PathModifier | None = None


class RequestRedirect(FilterSpec):
    """Gateway API RequestRedirect: tell the client to go elsewhere."""

    type: Literal["RequestRedirect"] = "RequestRedirect"
    scheme: Literal["http", "https"] | None = None
    hostname: Hostname | None = None
    port: Integer | None = Field(None, ge=1, le=65_535)
    path: PathModifier | None = None
    status_code: Literal[301, 302, 303, 307, 308] = 302
