"""SecurityHeaders: what tells browsers to be careful (OWASP Secure Headers Project and REST Security Cheat Sheet).

The problem: an answer with data that is opened as a page, put into a frame, or read as another type than it is, runs
what somebody else wrote; and every service would have to remember the same lines. The rule: a profile says what kind
of answers these are. What the service says itself stays, since it knows its pages; what it does not say is added, to
refusals of the gateway as well. Strict-Transport-Security goes out over TLS only (RFC 6797 section 7.2).
"""

from __future__ import annotations

from typing import Final

from gateway.filters.base import Build, Decision, Filter, Verdict
from gateway.http.messages import Headers, Request, Response
from gateway.spec.browsers import SecurityHeaders

_EVERY: Final[Headers] = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_PAGE_POLICY: Final = (
    b"default-src 'self'; base-uri 'self'; form-action 'self'; object-src 'none'; frame-ancestors 'none'"
)
_PAGE: Final[Headers] = [
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
]
_API_POLICY: Final = b"default-src 'none'; frame-ancestors 'none'"
NO_STORE: Final = (b"cache-control", b"no-store")
"""For the service's answers: the gateway's own always say so."""


class SecurityHeadersFilter(Filter[SecurityHeaders]):
    """Adds what is missing, and takes away what says too much."""

    Spec = SecurityHeaders

    def __init__(self, spec: SecurityHeaders, build: Build) -> None:
        super().__init__(spec, build)
        page = spec.profile == "page"
        own = spec.content_security_policy
        policy = own.encode("latin-1") if own is not None else _PAGE_POLICY if page else _API_POLICY
        self._plain = [(b"content-security-policy", policy), *_EVERY, *(_PAGE if page else [])]
        hsts = (b"strict-transport-security", spec.strict_transport_security.encode("latin-1"))
        self._over_tls = [*self._plain, hsts]
        self._names = frozenset(name for name, _ in self._over_tls)
        self._cache = [] if page else [NO_STORE]
        self._gone = frozenset(name.encode() for name in spec.remove)

    def decide(self, request: Request) -> Decision:
        """Always passes; whatever the answer will be gets the headers."""
        request.reply_headers += self._over_tls if request.scheme == "https" else self._plain
        return None

    def on_response(self, request: Request, response: Response) -> None:
        """The service's own words stay, ours about the same are dropped."""
        theirs = self._names & response.fields.keys()
        if theirs:
            request.reply_headers = [field for field in request.reply_headers if field[0] not in theirs]
        response.headers = [field for field in response.headers if field[0] not in self._gone]
        if b"cache-control" not in response.fields:
            response.headers += self._cache

    def explain(self, request: Request, reply: Verdict) -> str:
        """What will be added."""
        return f"on the answer, unless the service says so itself: {', '.join(sorted(map(bytes.decode, self._names)))}"
