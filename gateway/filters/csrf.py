"""CSRF: no page of another site uses a user's cookies to change something (OWASP CSRF Prevention Cheat Sheet).

The problem: a browser sends a site's cookies with every request to it, whichever page made it. The rule: a request
that changes something and brings a cookie must come from a page of this host, or of a listed one.

    Sec-Fetch-Site   same-origin, none (typed by hand)   → passes
                     same-site, cross-site               → passes when Origin is listed
    without it       Origin is this host, or listed      → passes
                     Origin is another, or "null"        → 403 csrf_cross_site
                     none                                → 403 csrf_no_origin

Browsers have sent `Sec-Fetch-Site` since 2023 (over TLS and to loopback), and no page can set it; `Origin` covers the
others. Only the host is compared with `Host`: behind a proxy that ends TLS the scheme here is not the browser's.
"""

from __future__ import annotations

from typing import Final

from gateway.filters.base import Build, Decision, Filter, Verdict
from gateway.http.messages import Reply, Request
from gateway.spec.browsers import Csrf

SAFE: Final = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
"""RFC 9110 section 9.2.1."""
OWN: Final = frozenset((b"same-origin", b"none"))
CROSS_SITE: Final = Reply(403, "csrf_cross_site", "pages of other sites may not change anything with a user's cookies")
NO_ORIGIN: Final = Reply(403, "csrf_no_origin", "cookies came along, and nothing that says from which page")


class CsrfFilter(Filter[Csrf]):
    """Refuses what another site's page would change with a user's cookies."""

    Spec = Csrf

    def __init__(self, spec: Csrf, build: Build) -> None:
        super().__init__(spec, build)
        self._cookies = frozenset(name.encode("latin-1", "replace") for name in spec.cookies)
        self._origins = frozenset(one.encode() for one in spec.origins)
        self._shadowed = build.metrics.shadowed

    def decide(self, request: Request) -> Decision:
        """Pass or 403."""
        if request.method in SAFE or not self._authenticated(request):
            return None
        reply = self._judge(request)
        if reply is None or self.spec.enforced:
            return reply
        self._shadowed.add(self.name, reply.reason)
        return None

    def _authenticated(self, request: Request) -> bool:
        """Whether a cookie came along that stands for a user."""
        sent = request.all(b"cookie")
        if not sent or not self._cookies:
            return bool(sent)
        names = (pair.partition(b"=")[0].strip(b" \t") for line in sent for pair in line.split(b";"))
        return not self._cookies.isdisjoint(names)

    def _judge(self, request: Request) -> Verdict:
        origins, sites = request.all(b"origin"), request.all(b"sec-fetch-site")
        if len(origins) > 1 or len(sites) > 1:
            return CROSS_SITE  # no browser says these twice
        if origins and origins[0] in self._origins:
            return None
        if sites:
            return None if sites[0] in OWN else CROSS_SITE
        if not origins:
            return NO_ORIGIN
        host = origins[0].partition(b"://")[2].decode("latin-1").lower()
        return None if host and host == request.host else CROSS_SITE

    def explain(self, request: Request, reply: Verdict) -> str:
        """What the request says of the page that made it."""
        if request.method in SAFE:
            return f"{request.method} changes nothing"
        if not self._authenticated(request):
            return "no cookie that authenticates"
        site, origin = request.get(b"sec-fetch-site") or "absent", request.get(b"origin") or "absent"
        told = f"Sec-Fetch-Site {site}, Origin {origin}, Host {request.host}"
        if self.spec.enforced:
            return told
        return f"shadow mode, would {'deny' if self._judge(request) else 'pass'}; {told}"
