"""CORS: which pages of other origins may call this route (Gateway API HTTPCORSFilter, Fetch standard section 3.2).

The problem: a browser asks beforehand, by OPTIONS and without token or cookie, so an answer that waits for them never
comes; and a service and a gateway that both answer make an answer that no browser accepts. The rule: this filter
stands before the one that authenticates; it answers every preflight itself, also on routes for other methods, and says
what is wrong with a bad one; what the service says about CORS is replaced. An origin is repeated only when it is
allowed, and then `Vary` says so, or a cache would give one page the permission of another.

CORS keeps pages from reading answers. It does not keep requests from arriving: that is for CSRF and authentication.
"""

from __future__ import annotations

import re
from typing import Final

from gateway.filters.base import Build, Decision, Filter, Verdict
from gateway.http.messages import Headers, Reply, Request, Response
from gateway.spec.browsers import Cors

SAFELISTED: Final = frozenset(("GET", "HEAD", "POST"))
_NAMES: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}")
MAX_NAMES: Final = 64
_VARY: Final = (b"vary", b"Origin")
_VARY_PREFLIGHT: Final = (b"vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers")
REFUSED: Final = (_VARY_PREFLIGHT,)
"""What every refusal says besides: it holds for this question only."""


class CorsFilter(Filter[Cors]):
    """Answers preflights, and tells browsers which pages may read an answer."""

    Spec = Cors
    preflights = True

    def __init__(self, spec: Cors, build: Build) -> None:
        super().__init__(spec, build)
        self._every = "*" in spec.allow_origins
        self._exact = frozenset(one.encode() for one in spec.allow_origins if "*" not in one)
        self._below = tuple(_below(one) for one in spec.allow_origins if "*." in one)
        self._methods = SAFELISTED | frozenset(spec.allow_methods)
        self._headers = frozenset(spec.allow_headers)
        self._credentials = [(b"access-control-allow-credentials", b"true")] if spec.allow_credentials else []
        exposed = ", ".join(spec.expose_headers).encode()
        self._exposed = [(b"access-control-expose-headers", exposed)] if exposed else []
        self._vary: Headers = [] if self._every else [_VARY]

    def decide(self, request: Request) -> Decision:
        """Answer a preflight; let everything else pass, with what the browser needs to know."""
        origin = request.fields.get(b"origin")
        if request.method == "OPTIONS" and origin is not None and b"access-control-request-method" in request.fields:
            return self._preflight(request, origin)
        request.reply_headers += self._vary
        if origin is not None and self._allowed(origin):
            request.reply_headers += [*self._permission(origin), *self._exposed]
        return None

    def _allowed(self, origin: bytes) -> bool:
        return self._every or origin in self._exact or any(one.fullmatch(origin) for one in self._below)

    def _permission(self, origin: bytes) -> Headers:
        return [(b"access-control-allow-origin", b"*" if self._every else origin), *self._credentials]

    def _preflight(self, request: Request, origin: bytes) -> Reply:
        method = request.get(b"access-control-request-method") or ""
        names = self._asked_headers(request)
        if not self._allowed(origin):
            return Reply(403, "cors_origin", "pages of this origin may not call this", REFUSED)
        if method not in self._methods and ("*" not in self._methods or not _NAMES.fullmatch(method)):
            return Reply(403, "cors_method", "pages of other origins may not use this method here", REFUSED)
        if names is None:
            return Reply(403, "cors_header", "Access-Control-Request-Headers is no list of names", REFUSED)
        lacking = [] if "*" in self._headers else sorted(set(names) - self._headers)
        if lacking:
            return Reply(403, "cors_header", f"pages of other origins may not send {lacking[0]} here", REFUSED)
        headers = [*self._permission(origin), (b"access-control-allow-methods", method.encode("ascii"))]
        if names:
            headers.append((b"access-control-allow-headers", ", ".join(names).encode("ascii")))
        headers.append((b"access-control-max-age", b"%d" % self.spec.max_age))
        return Reply(204, "cors_preflight", f"allowed for {method}", (*headers, _VARY_PREFLIGHT))

    def _asked_headers(self, request: Request) -> list[str] | None:
        """The names that a page wants to send, in lower case; None when that is no list of names."""
        text = ",".join(one.decode("latin-1") for one in request.all(b"access-control-request-headers"))
        names = [one.strip(" \t").lower() for one in text.split(",")] if text else []
        return names if len(names) <= MAX_NAMES and all(map(_NAMES.fullmatch, names)) else None

    def on_response(self, request: Request, response: Response) -> None:
        """The gateway says what pages may do: two answers to that are none."""
        response.headers = [field for field in response.headers if not field[0].startswith(b"access-control-")]

    def explain(self, request: Request, reply: Verdict) -> str:
        """Whether the page that asks may, and which may."""
        if reply is not None:
            return reply.detail
        origins = ", ".join(self.spec.allow_origins)
        origin = request.get(b"origin")
        if origin is None:
            return f"no page of another origin asks; those of {origins} may"
        told = "may" if self._allowed(origin.encode("latin-1")) else "may not"
        return f"pages of {origin} {told} read the answer; those of {origins} may"


def _below(origin: str) -> re.Pattern[bytes]:
    """`https://*.shop.example`: any names below, of the same scheme and port, not the name itself."""
    scheme, _, rest = origin.partition("*.")
    return re.compile(re.escape(scheme).encode() + rb"(?:[a-z0-9_-]+\.)+" + re.escape(rest).encode())
