"""The egress gateway: `python -m gateway.roles.egress_gateway --settings-fd N`.

The problem: what a third party sends is read by somebody, and whoever reads it can be taken over by it; the gateway's
workers hold users' tokens, the keys with which they sign, and may read any file. The rule: ways out are served by a
process of their own, which has nothing worth taking: of the configuration its own routes and clusters (control sends no
more), no key, no account in Redis, and the operating system holds it to its folder (docs/isolation.md).

It is a gateway worker (edge.py) that serves other listeners and keeps its last good configuration itself.
"""

from __future__ import annotations

from gateway.roles.channel import Channel, over_unix_socket
from gateway.roles.edge import Edge, Settings, main


class EgressGateway(Edge):
    """Its life."""

    role = "egress"
    keeps = True

    def _channel(self) -> Channel | None:
        path = self.settings.control_socket
        introduction = {"role": self.role, "secret": self.settings.control_secret}
        return Channel(over_unix_socket(path), self.worker, self.apply, introduction) if path else None


if __name__ == "__main__":
    main("gateway.roles.egress_gateway", lambda document: EgressGateway(Settings(**document)))
