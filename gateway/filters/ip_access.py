"""IpAccess: which networks may come at all.

The problem: a list of networks is only as good as the address that it is compared with, and `X-Forwarded-For` says
whatever its sender likes. The rule: the address is that of the connection, or what proxies of ours say of it
(`trustedHops`, PROXY protocol); `deny` goes before `allow`, and where something is allowed nobody else is.
"""

from __future__ import annotations

from typing import Final

from gateway.filters.base import Build, Decision, Filter, Verdict
from gateway.filters.networks import membership
from gateway.http.messages import Reply, Request
from gateway.spec.authorization import IpAccess

DENIED: Final = Reply(403, "address_denied", "clients of this network may not come here")
NOT_ALLOWED: Final = Reply(403, "address_not_allowed", "only clients of certain networks may come here")


class IpAccessFilter(Filter[IpAccess]):
    """Refuses clients by their address."""

    Spec = IpAccess

    def __init__(self, spec: IpAccess, build: Build) -> None:
        super().__init__(spec, build)
        self._denied = membership(spec.deny)
        self._allowed = membership(spec.allow) if spec.allow else None
        self._shadowed = build.metrics.shadowed

    def decide(self, request: Request) -> Decision:
        """Pass or 403."""
        reply = self._judge(request.client)
        if reply is None or self.spec.enforced:
            return reply
        self._shadowed.add(self.name, reply.reason)
        return None

    def _judge(self, client: str) -> Verdict:
        if self._denied(client):
            return DENIED
        return NOT_ALLOWED if self._allowed is not None and not self._allowed(client) else None

    def explain(self, request: Request, reply: Verdict) -> str:
        """Which address it is, and what may come."""
        would = self._judge(request.client)
        told = f"address {request.client}: " + (would.detail if would else "may come")
        return told if self.spec.enforced else f"shadow mode, would {'deny' if would else 'pass'}; {told}"
