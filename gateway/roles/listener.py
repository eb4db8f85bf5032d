"""One listening socket of a worker: accepts connections, bounds them, sweeps them, lets them go.

The problem: connections cost memory, and a peer may hold one for ever. The rule: a bounded number (see `admission`),
each with a deadline for what it owes next; when the listener closes, idle connections go at once, others after their
answer. With TLS or the PROXY protocol connections come in through a gate (see `gate`), else directly.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from gateway.http.identity import ClientCertificate
from gateway.http.messages import Reply, Request
from gateway.http.proxying import ProxyConnection
from gateway.http.server import ServerConnection
from gateway.roles.admission import Admission
from gateway.roles.egress import EgressExchange
from gateway.roles.gate import Gate
from gateway.roles.mesh_peers import MeshPeers
from gateway.roles.worker import Worker
from gateway.spec.models import Listener as Spec

DRAIN_GRACE: Final = 0.5
"""Seconds in which an idle kept connection may still bring a request, when its worker goes."""


class Listener:
    """The server side of one listener (see gateway.http.server.Server)."""

    def __init__(self, spec: Spec, worker: Worker) -> None:
        self.name = spec.name
        self.scheme = "https" if spec.tls else "http"
        self.worker = worker
        self.clock: Callable[[], float] = worker.clock
        self.connections: set[ServerConnection] = set()
        self.closing = False
        self._admission = Admission()
        self._server: asyncio.Server | None = None
        self._pass: Callable[[Request, ServerConnection], None] = self._handle
        self._connection: type[ServerConnection] = ServerConnection
        self._gate = Gate(self) if spec.tls or spec.proxy_protocol else None
        self._has_tls = spec.tls is not None
        self._mesh = MeshPeers(spec.name, worker) if spec.tls and spec.tls.mesh else None
        self._identities: dict[ServerConnection, ClientCertificate] = {}
        self._requests_each = 0
        self.handle: Callable[[Request, ServerConnection], None] = self._handle
        """Answer a request through its connection."""
        self.configure(spec)

    def check(self, spec: Spec) -> None:
        """Make sure that a reload can bring this into effect.

        Raises:
            ValueError: it needs a restart: what speaks plainly now would have to speak TLS, or the other way round.
        """
        if (self._mesh is None) == bool(spec.tls and spec.tls.mesh):
            raise ValueError(f"listener {self.name}: to join or leave the mesh it needs a restart")
        if self._has_tls != (spec.tls is not None) or (self._gate is None) != (
            spec.tls is None and spec.proxy_protocol is None
        ):
            raise ValueError(f"listener {self.name}: switching tls or proxyProtocol on or off needs a restart")

    def configure(self, spec: Spec) -> None:
        """Take over limits that a reload changed; they hold for the next message."""
        self.trusted_hops = spec.trusted_hops
        self.max_connections = spec.max_connections
        self.max_header_bytes = spec.max_header_bytes
        self.max_body_bytes = spec.max_body_bytes
        self.header_timeout = spec.header_timeout
        self.idle_timeout = spec.idle_timeout
        self.body_grace = spec.body_grace
        self.min_body_rate = spec.min_body_rate
        self._pass, self._connection = self._handle, ServerConnection
        if spec.leaving is not None:
            self._pass = self._handle_egress
            self._exchange = partial(EgressExchange, terms=spec.leaving)
        if spec.forward_proxy is not None:
            self._connection = ProxyConnection
        self._requests_each = spec.max_requests_per_connection
        # Without a limit nothing is counted.
        self.handle = self._count if self._requests_each or self._mesh is not None else self._pass
        self._admission.configure(spec)
        if self._gate is not None:
            self._gate.configure(spec)

    async def start(self, sock: socket.socket) -> None:
        """Accept on a socket that is bound already; whoever bound it keeps it open when we go."""
        if self._gate is not None:
            self._gate.start(sock)
            return
        self._server = await asyncio.get_running_loop().create_server(self.connection, sock=sock)

    def connection(self) -> ServerConnection:
        """A new client's connection."""
        return self._connection(self)

    def accepts(self, connection: ServerConnection) -> bool:
        """Whether one more connection may stand; those that came through the gate are counted already."""
        if self.closing or not (connection in self._admission or self.admits(connection)):
            return False
        if self._mesh is not None and not self._mesh.admits(connection):
            return False
        self.connections.add(connection)
        if self._has_tls:
            told, tls = connection.transport.get_extra_info, connection.transport.get_extra_info("ssl_object")
            identity = ClientCertificate.of(told("peercert"), tls.getpeercert(binary_form=True) if tls else None)
            if identity is not None and self._mesh is not None:
                identity = replace(identity, identity=self._mesh.peer(connection).identity)
            if identity is not None:
                self._identities[connection] = identity
        return True

    def admits(self, connection: ServerConnection) -> bool:
        """Count a connection for its peer's address, or say no and count that."""
        reason = self._admission.enter(connection, self.worker.limit_address(connection.peer))
        if reason:
            self.turned_away(reason)
        return not reason

    def turned_away(self, reason: str) -> None:
        """Count a connection that was closed before its first request."""
        self.worker.metrics.turned_away.add(self.name, reason)

    def left(self, connection: ServerConnection) -> None:
        """A connection has ended."""
        self.connections.discard(connection)
        self._admission.leave(connection)
        if self._identities:
            self._identities.pop(connection, None)
        if self._mesh is not None:
            self._mesh.left(connection)

    def _count(self, request: Request, connection: ServerConnection) -> None:
        """The last request that a connection may bring is answered with `Connection: close` (RFC 9112 §9.6)."""
        connection.requests += 1
        if self._requests_each and connection.requests >= self._requests_each:
            request.keep_alive = False
        if self._mesh is not None:
            self._mesh.notice(request, connection)
        self._pass(request, connection)

    def _handle(self, request: Request, connection: ServerConnection) -> None:
        if self._identities:
            request.client_certificate = self._identities.get(connection)
        self.worker.handle(request, connection)

    def _handle_egress(self, request: Request, connection: ServerConnection) -> None:
        if self._identities:
            request.client_certificate = self._identities.get(connection)
        self.worker.handle(request, connection, self._exchange)

    def refuse(self, reply: Reply, connection: ServerConnection) -> bytes:
        """The answer to bytes that are no request."""
        return self.worker.refuse(reply, connection)

    def sweep(self) -> None:
        """Close what is overdue, and take up renewed certificates."""
        if self._gate is not None:
            self._gate.renew()
        if self._mesh is not None:
            self._mesh.sweep()
        now = self.clock()
        for connection in list(self.connections):
            connection.sweep(now)

    def drain(self) -> None:
        """Accept no more; let idle connections go."""
        self.closing = True
        if self._server is not None:
            self._server.close()
        if self._gate is not None:
            self._gate.close()
        for connection in list(self.connections):
            connection.drain(DRAIN_GRACE)

    def unsent(self) -> bool:
        """Whether bytes still wait for a client to take them."""
        return any(one.transport.get_write_buffer_size() for one in self.connections)

    def abort(self) -> None:
        """End what is left, visibly."""
        if self._gate is not None:
            self._gate.abort()
        for connection in list(self.connections):
            connection.transport.abort()
