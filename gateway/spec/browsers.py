"""The configuration of the filters that deal with browsers: which pages may do what, and what protects a page."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.spec.fields import CrossOrigin, Duration, Flag, HeaderName, HeaderValue, SiteOrigin, Token
from gateway.spec.models import FilterSpec

AnyName = Literal["*"]


class Cors(FilterSpec):
    """Gateway API CORS: which pages of other origins may read this route's answers (Fetch standard, section 3.2)."""

    type: Literal["CORS"] = "CORS"
    allow_origins: tuple[CrossOrigin, ...] = Field(min_length=1)
    allow_credentials: Flag = False
    allow_methods: tuple[AnyName | Token, ...] = ()
    """Besides GET, HEAD and POST, which the standard always allows."""
    allow_headers: tuple[AnyName | HeaderName, ...] = ()
    expose_headers: tuple[AnyName | HeaderName, ...] = ()
    max_age: Annotated[Duration, Field(le=86_400)] = 5.0


class SecurityHeaders(FilterSpec):
    """What tells browsers to be careful with an answer (OWASP Secure Headers Project, REST Security Cheat Sheet)."""

    type: Literal["SecurityHeaders"] = "SecurityHeaders"
    profile: Literal["api", "page"] = "api"
    content_security_policy: HeaderValue | None = None
    """Instead of the profile's."""
    strict_transport_security: HeaderValue = "max-age=31536000; includeSubDomains"
    """Said over TLS only (RFC 6797 section 7.2)."""
    remove: tuple[HeaderName, ...] = ("server", "x-powered-by", "x-aspnet-version", "x-aspnetmvc-version")
    """What the service says of itself."""


class Csrf(FilterSpec):
    """No page of another site may use a user's cookies to change something (OWASP CSRF Prevention Cheat Sheet)."""

    type: Literal["CSRF"] = "CSRF"
    cookies: tuple[Annotated[str, Field(min_length=1, max_length=256)], ...] = ()
    """Which cookies authenticate; none named: any."""
    origins: tuple[SiteOrigin, ...] = ()
    """Other origins whose pages may."""
    enforced: Flag = True
