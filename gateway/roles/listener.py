"""One listening socket of a worker: accepts connections, bounds them, sweeps them, lets them go.

The problem: connections cost memory, and a peer may hold one for ever. The rule: at most `max_connections`, each
with a deadline for what it owes next; when the listener closes, idle connections go at once, others after their
answer.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from gateway.http.messages import Reply, Request
from gateway.http.server import ServerConnection
from gateway.roles.worker import Worker
from gateway.spec.models import Listener as Spec


class Listener:
    """The server side of one listener (see gateway.http.server.Server)."""

    def __init__(self, spec: Spec, worker: Worker) -> None:
        self.name = spec.name
        self.scheme = "http"
        self.worker = worker
        self.clock: Callable[[], float] = worker.clock
        self.connections: set[ServerConnection] = set()
        self.closing = False
        self.overflowed = 0
        self._server: asyncio.Server | None = None
        self.configure(spec)

    def configure(self, spec: Spec) -> None:
        """Take over limits that a reload changed; they hold for the next message."""
        self.trusted_hops = spec.trusted_hops
        self.max_connections = spec.max_connections
        self.max_header_bytes = spec.max_header_bytes
        self.max_body_bytes = spec.max_body_bytes
        self.header_timeout = spec.header_timeout
        self.idle_timeout = spec.idle_timeout

    async def start(self, sock: socket.socket) -> None:
        """Accept on a socket that is bound already; whoever bound it keeps it open when we go."""
        self._server = await asyncio.get_running_loop().create_server(lambda: ServerConnection(self), sock=sock)

    def accepts(self, connection: ServerConnection) -> bool:
        """Whether one more connection may stand."""
        if self.closing or len(self.connections) >= self.max_connections:
            self.worker.metrics.refused.add("too_many_connections")
            return False
        return True

    def handle(self, request: Request, connection: ServerConnection) -> None:
        """Answer a request through its connection."""
        self.worker.handle(request, connection)

    def refuse(self, reply: Reply, connection: ServerConnection) -> bytes:
        """The answer to bytes that are no request."""
        return self.worker.refuse(reply, connection)

    def sweep(self) -> None:
        """Close what is overdue."""
        now = self.clock()
        for connection in list(self.connections):
            connection.sweep(now)

    def drain(self) -> None:
        """Accept no more; let idle connections go."""
        self.closing = True
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.drain()

    def unsent(self) -> bool:
        """Whether bytes still wait for a client to take them."""
        return any(one.transport.get_write_buffer_size() for one in self.connections)

    def abort(self) -> None:
        """End what is left, visibly."""
        for connection in list(self.connections):
            connection.transport.abort()
