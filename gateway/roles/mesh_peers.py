"""A listener of the mesh: who is connected, and until when.

The problem: a connection outlives the certificates that it was made with, and a client whose certificate was revoked
is connected already. The rule: whoever connects is remembered with its identity. When our certificate was renewed or
one of the two nears its end, the next answer says goodbye, and a connection that stays idle closes; a client that is
revoked is cut off at once, in the middle of an answer if need be.
"""

from __future__ import annotations

import logging
import ssl
from typing import TYPE_CHECKING

from gateway.http.messages import Request
from gateway.roles.handshake import AlertingContext
from gateway.spec.models import ListenerTls
from gateway.upstream.workload import Peer, Stranger, Workload

if TYPE_CHECKING:
    from gateway.http.server import ServerConnection
    from gateway.roles.worker import Worker

log = logging.getLogger("gateway.mesh")

FAREWELL = 0.5
"""Seconds in which an idle connection may still bring a request."""


class MeshCertificate:
    """What serves the handshakes of one listener: the workload's certificate, whatever name is asked for."""

    def __init__(self, listener: str, spec: ListenerTls, worker: Worker) -> None:
        assert worker.runtime.workload is not None
        self.spec = spec
        self._key = (worker.name, listener, worker.runtime.workload.identity)
        self._worker = worker
        self._workload = worker.runtime.workload
        self._context: ssl.SSLContext | None = None
        self._workload.watch(self)

    def context(self) -> ssl.SSLContext | None:
        """For the next handshake; None while there is no certificate."""
        if self._context is None and self._workload.generation:
            context = AlertingContext(ssl.PROTOCOL_TLS_SERVER)
            context.options |= ssl.OP_NO_COMPRESSION
            context.num_tickets = 0  # a resumed session would bring a peer whom nobody has looked at again
            self._workload.equip(context)
            self._context = context
            self._worker.certificate_expiry[self._key] = self._workload.expires
        return self._context

    def identity_changed(self) -> None:
        """The next handshake takes what holds now."""
        self._context = None

    def renew(self) -> None:
        """Nothing to look for: changes come by themselves."""

    def retire(self) -> None:
        """Others take over."""
        self._worker.certificate_expiry.pop(self._key, None)


class MeshPeers:
    """The clients of one listener."""

    def __init__(self, listener: str, worker: Worker) -> None:
        if worker.runtime.workload is None:
            raise ValueError(f'listener "{listener}" is one of a mesh, and this process runs in none')
        self._listener = listener
        self._workload: Workload = worker.runtime.workload
        self._metrics = worker.metrics
        self._wall = worker.runtime.wall
        self._peers: dict[ServerConnection, tuple[Peer, int, float]] = {}
        """Who is there, which certificate of ours it was shown, and until when that holds (seconds since the epoch)."""
        self._workload.watch(self)

    def admits(self, connection: ServerConnection) -> bool:
        """Whether this client is one of the mesh; then it is remembered."""
        try:
            peer = self._workload.peer(connection.transport.get_extra_info("peercert"))
        except Stranger as stranger:
            self._metrics.handshakes.add(self._listener, stranger.reason)
            log.warning("listener %s: a stranger was turned away: %s", self._listener, stranger.reason)
            return False
        workload = self._workload
        self._peers[connection] = peer, workload.generation, min(peer.leave, workload.leave)
        return True

    def peer(self, connection: ServerConnection) -> Peer:
        """Who was admitted on a connection."""
        return self._peers[connection][0]

    def left(self, connection: ServerConnection) -> None:
        """A connection has ended."""
        self._peers.pop(connection, None)

    def notice(self, request: Request, connection: ServerConnection) -> None:
        """Let the answer say goodbye where it is time to part."""
        if self._overdue(connection):
            request.keep_alive = False

    def sweep(self) -> None:
        """Let go of connections whose certificates near their end."""
        for connection in tuple(self._peers):
            if self._overdue(connection):
                connection.drain(FAREWELL)

    def identity_changed(self) -> None:
        """Cut off who was revoked."""
        for connection, (peer, *_) in tuple(self._peers.items()):
            if self._workload.shuts_out(peer) and not connection.transport.is_closing():
                self._metrics.mesh_revoked.add(self._listener)
                log.warning("listener %s: %s was revoked: its connection ends", self._listener, peer.identity)
                connection.transport.abort()

    def _overdue(self, connection: ServerConnection) -> bool:
        _, made, until = self._peers[connection]
        return made != self._workload.generation or self._wall() >= until
