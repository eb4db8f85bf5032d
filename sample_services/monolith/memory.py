"""HTTP without sockets: a module calls another one's API in the same process.

The problem: modules that call each other's functions have no API between them, and a call to a port of one's own
costs a way through the kernel and leaves that port open to everybody. The rule: the client's and the server's ends of a
connection are asyncio transports that hand their bytes to each other. All above them is what it is between processes:
the same client, messages, time-outs, handlers, problems and metrics. What is left out is the network, and with it all
that can go wrong there: a module cannot be away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextvars import Context
from typing import Any

import aiohttp
from aiohttp import web
from aiohttp.client_proto import ResponseHandler

HIGH_WATER = 64 * 1024
"""Bytes that may wait for a reader who is slower, before the writer is told to stop."""
DOMAIN = "in-process.invalid"
"""Names below it stand for modules (RFC 2606: they can never be found in the DNS)."""


class End(asyncio.Transport):
    """One end of a connection; what is written to it reaches the protocol of the other."""

    def __init__(self, protocol: asyncio.Protocol, called: str, context: Context) -> None:
        super().__init__({"peername": (called, 0)})
        self._protocol = protocol
        self._context = context
        self._loop = asyncio.get_running_loop()
        self._other: End
        self._arrived: list[bytes] = []
        self._size = 0
        self._due = self._paused = self._closing = self._ended = False
        self._holding = False

    def join(self, other: End) -> None:
        """Be one connection with the other end."""
        self._other, other._other = other, self
        for end in (self, other):
            end._context.run(end._protocol.connection_made, end)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Hand it over at the next turn of the event loop."""
        if not self._closing and data:
            self._other._arrive(bytes(data))

    def get_write_buffer_size(self) -> int:
        """Bytes that the other end has not read yet."""
        return self._other._size

    def is_closing(self) -> bool:
        """Whether nothing more can be written."""
        return self._closing

    def close(self) -> None:
        """What was written still arrives; then the other end is told."""
        if not self._closing:
            self._closing = True
            self._soon(self._end)
            self._other._schedule()

    abort = close

    def is_reading(self) -> bool:
        """Whether what arrives is handed on."""
        return not self._paused

    def pause_reading(self) -> None:
        """Keep what arrives."""
        self._paused = True

    def resume_reading(self) -> None:
        """Hand on what has arrived meanwhile."""
        self._paused = False
        self._schedule()

    def _arrive(self, data: bytes) -> None:
        self._arrived.append(data)
        self._size += len(data)
        self._schedule()
        if self._size > HIGH_WATER and not self._other._holding:
            self._other._holding = True
            self._other._protocol.pause_writing()

    def _schedule(self) -> None:
        if not self._due and not self._ended:
            self._due = True
            self._soon(self._deliver)

    def _soon(self, work: Callable[[], None]) -> None:
        self._loop.call_soon(work, context=self._context)

    def _deliver(self) -> None:
        self._due = False
        if self._paused or self._ended:
            return
        data, self._arrived, self._size = b"".join(self._arrived), [], 0
        if data and not self._closing:
            self._protocol.data_received(data)
        if self._other._holding:
            self._other._holding = False
            self._other._protocol.resume_writing()
        if self._other._closing and not self._arrived:
            self._end()

    def _end(self) -> None:
        if not self._ended:
            self._ended = self._closing = True
            self._protocol.connection_lost(None)
            self._other._schedule()


class InProcess(aiohttp.TCPConnector):
    """Connections of one caller: to modules by name, in memory; to everybody else as usual."""

    def __init__(self, caller: str, servers: Mapping[str, web.Server]) -> None:
        super().__init__(limit=100, limit_per_host=50, keepalive_timeout=15)
        self._caller = caller
        self._servers = servers

    async def _create_connection(
        self, req: aiohttp.ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout
    ) -> ResponseHandler:
        name, _, domain = (req.url.host or "").partition(".")
        if domain != DOMAIN:
            return await super()._create_connection(req, traces, timeout)
        server = self._servers.get(name)
        if server is None:
            raise aiohttp.ClientConnectionError(f"there is no module {name}")
        client: ResponseHandler = self._factory()
        # A context of its own: what the calling request carries (its span, its deadline) travels in the message.
        callee = End(server(), f"{self._caller} (in process)", Context())
        End(client, name, Context()).join(callee)
        return client


def address(module: str) -> str:
    """Where a module is, for the settings of the others."""
    return f"http://{module}.{DOMAIN}"
