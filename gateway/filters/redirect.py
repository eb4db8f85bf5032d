"""RequestRedirect: tell the client to go elsewhere (Gateway API HTTPRequestRedirectFilter).

The problem: a redirect built from what the client sent can send it anywhere (open redirect, CWE-601). The rule:
what the configuration names is used; the rest is the request's own checked host, port and canonical path.
"""

from __future__ import annotations

from gateway.filters.base import Decision, Filter, Verdict
from gateway.filters.paths import replaced_path
from gateway.http.messages import Reply, Request
from gateway.spec.filters import RequestRedirect

_DEFAULT_PORTS = {"http": 80, "https": 443}


class RequestRedirectFilter(Filter[RequestRedirect]):
    """Answers with a redirect."""

    Spec = RequestRedirect
    answers = True

    def decide(self, request: Request) -> Decision:
        """Always replies."""
        location = self._location(request)
        return Reply(
            self.spec.status_code, "redirected", f"see {location}", ((b"location", location.encode("latin-1")),)
        )

    def _location(self, request: Request) -> str:
        scheme = self.spec.scheme or request.scheme
        path = replaced_path(self.spec.path, request) if self.spec.path else request.path
        query = f"?{request.query}" if request.query else ""
        return f"{scheme}://{self._authority(request, scheme)}{path}{query}"

    def _authority(self, request: Request, scheme: str) -> str:
        name, _, own_port = request.host.partition(":") if "[" not in request.host else (request.host, "", "")
        host = self.spec.hostname or name
        port = self.spec.port
        if port is None and self.spec.scheme in (None, request.scheme) and own_port:
            port = int(own_port)
        return host if port is None or port == _DEFAULT_PORTS[scheme] else f"{host}:{port}"

    def explain(self, request: Request, reply: Verdict) -> str:
        """Where to."""
        return reply.detail if reply else ""
