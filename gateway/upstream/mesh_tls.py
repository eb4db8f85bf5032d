"""TLS towards a service of the mesh: it must be exactly who it should be, and we show who we are.

The problem: a kept connection was proven good when it was made; since then its certificate may have been renewed,
have run out or have been revoked. The rule: every connection is remembered with its peer. When our own certificate is
renewed, or one of the two nears its end, an idle connection closes and a busy one is not used again after its answer:
no request is lost. When the peer is revoked, the connection ends at once, whatever is on it.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from typing import Any

from gateway.http.client import ClientConnection
from gateway.http.partners import Owner
from gateway.observability.registry import Counter
from gateway.spec.models import ClusterTls
from gateway.upstream.tls import UpstreamTls
from gateway.upstream.workload import Peer, Stranger, Workload

log = logging.getLogger("gateway.mesh")


class Leaving:
    """The owner of a connection that must not be used again: it goes back as one that cannot be kept."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner

    def released(self, connection: ClientConnection, reusable: bool) -> None:
        """A complete answer was read: close it."""
        self._owner.released(connection, False)

    def lost(self, connection: ClientConnection) -> None:
        """The connection ended."""
        self._owner.lost(connection)


class MeshTls(UpstreamTls):
    """The TLS side of a cluster whose endpoints are workloads."""

    def __init__(
        self,
        cluster: str,
        spec: ClusterTls,
        failures: Counter,
        wall: Callable[[], float],
        workload: Workload,
        revoked: Counter,
    ) -> None:
        super().__init__(cluster, spec, failures, wall)
        self._workload = workload
        self._revoked = revoked
        self._made = 0
        self._peers: dict[ClientConnection, tuple[Peer, int]] = {}
        workload.watch(self)

    def options(self, host: str) -> dict[str, Any]:
        """What `create_connection` needs besides host and port.

        Raises:
            ssl.SSLError: we have no certificate yet.
        """
        if self._context is None or self._made != self._workload.generation:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self._workload.equip(context)
            self._context, self._made = context, self._workload.generation
        return {"ssl": self._context, "server_hostname": host}

    def admits(self, connection: ClientConnection) -> bool:
        """Whether the endpoint is who it must be; then its connection is remembered."""
        try:
            assert self.spec.identity is not None
            peer = self._workload.expect(self.spec.identity, connection.transport.get_extra_info("peercert"))
        except Stranger as stranger:
            self._failures.add(self._cluster, stranger.reason)
            log.warning("cluster %s: the endpoint is a stranger: %s", self._cluster, stranger.reason)
            return False
        self._peers[connection] = peer, self._made
        return True

    def sweep(self) -> None:
        """Forget connections that have ended, and leave those whose certificates near their end."""
        now = self._wall()
        for connection, (peer, made) in tuple(self._peers.items()):
            if connection.transport.is_closing():
                del self._peers[connection]
            elif made != self._workload.generation or now >= min(peer.leave, self._workload.leave):
                self._leave(connection)

    def identity_changed(self) -> None:
        """End connections to the revoked at once; the next ones are made with what holds now."""
        self._context = None
        for connection, (peer, _) in tuple(self._peers.items()):
            if self._workload.shuts_out(peer) and not connection.transport.is_closing():
                self._revoked.add(self._cluster)
                log.warning("cluster %s: %s was revoked: its connection ends", self._cluster, peer.identity)
                connection.transport.abort()
        self.sweep()

    def _leave(self, connection: ClientConnection) -> None:
        del self._peers[connection]
        if connection.busy:
            connection.owner = Leaving(connection.owner)
        else:
            connection.transport.close()
