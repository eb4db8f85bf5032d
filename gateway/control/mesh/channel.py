"""Where sidecars connect: mutual TLS, and each speaks for its own service only."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from typing import Any

from gateway.control.channel import Channel, Events, NoWorkerError, Worker
from gateway.control.messages import MAX_LINE, Hello
from gateway.mesh.identity import service_of
from gateway.upstream.workload import Peer, Stranger, Workload

log = logging.getLogger(__name__)

HANDSHAKE_SECONDS = 5.0
MAX_LINES = 32
"""Of one service: who has its identity takes no line away from others."""


class SidecarChannel(Channel):
    """Listens on a socket that the supervisor has bound."""

    def __init__(self, listening: socket.socket, workload: Workload, events: Events) -> None:
        super().__init__(events)
        self._socket, self._workload = listening, workload
        self._again: asyncio.Task[None] | None = None
        workload.watch(self)

    def identity_changed(self) -> None:
        """Take the next handshakes with what holds now, and cut off who was revoked."""
        for worker in self.workers:
            self._look_at(worker)
        if self._server is not None:
            self._again = asyncio.get_running_loop().create_task(self._listen_again())

    def sweep(self, now: float) -> None:
        """Let nobody stay whose certificate nears its end; who has the next one comes again at once.

        `now` is in seconds since the epoch.
        """
        for worker in self.workers:
            peer = self._look_at(worker)
            if peer is not None and now >= peer.leave:
                worker.writer.close()

    def _look_at(self, worker: Worker) -> Peer | None:
        """Who is at the other end; who is shut out is cut off."""
        try:
            return self._workload.peer(worker.writer.get_extra_info("peercert"))
        except Stranger as stranger:
            log.warning("%s is no longer one of the mesh: %s", worker.name, stranger.reason)
            worker.writer.transport.abort()
            return None

    async def ask_service(self, service: str, ask: str, request: dict[str, Any]) -> dict[str, Any]:
        """Ask a sidecar of a service, the one with the newest configuration.

        Raises:
            NoWorkerError: none is connected, or it has too many open questions.
            TimeoutError: no answer in time.
        """
        sidecars = [one for one in self.workers if one.service == service]
        if not sidecars:
            raise NoWorkerError
        return await self._ask(max(sidecars, key=lambda one: one.version or 0), ask, request, within=5.0)

    async def _listen_again(self) -> None:
        assert self._server is not None
        self._server.close()
        self._server = await self._listen()

    async def _listen(self) -> asyncio.Server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.num_tickets = 0
        self._workload.equip(context)
        return await asyncio.start_server(
            self._serve,
            sock=self._socket.dup(),
            ssl=context,
            ssl_handshake_timeout=HANDSHAKE_SECONDS,
            limit=MAX_LINE,
        )

    def _admit(self, hello: Hello, writer: asyncio.StreamWriter) -> None:
        """Its certificate says whose sidecar it is.

        Raises:
            ValueError: it speaks for another service, or is nobody of the mesh.
        """
        try:
            peer = self._workload.peer(writer.get_extra_info("peercert"))
        except Stranger as stranger:
            raise ValueError(f"a stranger: {stranger.reason}") from None
        if hello.role != "sidecar" or service_of(peer.identity) != hello.service or not hello.address:
            raise ValueError(f"{peer.identity} may not speak for {hello.service!r} as {hello.role!r}")
        if not hello.worker.startswith(f"{hello.service}-"):
            raise ValueError(f"{hello.worker!r} is no name for a sidecar of {hello.service}")
        if sum(one.service == hello.service for one in self.workers) >= MAX_LINES:
            raise ValueError(f"there are {MAX_LINES} lines of {hello.service} already")
