"""URLRewrite: another path or host for the upstream, unseen by the client (Gateway API HTTPURLRewriteFilter).

The problem: services have their own path layout. The rule: only what is forwarded changes; routing and
authorization have already happened on the path that the client sent, and are not repeated.
"""

from __future__ import annotations

from gateway.filters.base import Decision, Filter, Verdict
from gateway.filters.paths import replaced_path
from gateway.http.messages import Request
from gateway.spec.filters import UrlRewrite


class UrlRewriteFilter(Filter[UrlRewrite]):
    """Changes the target that is forwarded."""

    Spec = UrlRewrite

    def decide(self, request: Request) -> Decision:
        """Always passes."""
        if self.spec.path is not None:
            request.target_path = replaced_path(self.spec.path, request)
        if self.spec.hostname is not None:
            request.host = self.spec.hostname
        return None

    def explain(self, request: Request, reply: Verdict) -> str:
        """What the upstream is asked for."""
        return f"{request.path} → {request.target_path}"
