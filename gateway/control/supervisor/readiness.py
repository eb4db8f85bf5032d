"""Is it ready? One small question per process kind, asked again and again until the answer is yes.

A probe returns None for "ready", else the reason why not. It costs one connection and a few hundred bytes:
no HTTP library, since the supervisor stays in memory for as long as the shop runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Protocol

from gateway.control.supervisor.resp import RedisAddress, RedisError, ask

INTERVAL = 0.05
"""Seconds between two questions."""


class Probe(Protocol):
    """Ask once; None is yes."""

    def __call__(self) -> Awaitable[str | None]:
        """The reason why it is not ready, or None."""


@dataclass(frozen=True)
class HttpProbe:
    """`GET path` answers 200."""

    host: str
    port: int
    path: str
    timeout: float = 2.0

    async def __call__(self) -> str | None:
        """Ask over a fresh connection."""
        try:
            async with asyncio.timeout(self.timeout):
                return _judge(await self._answer())
        except TimeoutError:
            return f"no answer on port {self.port} within {self.timeout:g} s"
        except OSError as error:
            return f"port {self.port}: {error.strerror or error}"

    async def _answer(self) -> bytes:
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            request = f"GET {self.path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nConnection: close\r\n\r\n"
            writer.write(request.encode())
            return await _read_bounded(reader)
        finally:
            writer.close()


async def _read_bounded(reader: asyncio.StreamReader, limit: int = 8_192) -> bytes:
    received = b""
    while len(received) < limit and (part := await reader.read(limit - len(received))):
        received += part
    return received


def _judge(answer: bytes) -> str | None:
    head, _, body = answer.partition(b"\r\n\r\n")
    status_line = head.split(b"\r\n", 1)[0].decode("latin-1")
    if status_line.split(" ")[1:2] == ["200"]:
        return None
    said = " ".join(body.decode("utf-8", "replace").split())[:300]
    return f"{status_line or 'connection closed'}: {said}" if said else status_line or "connection closed"


@dataclass(frozen=True)
class RedisProbe:
    """`PING` answers `PONG`: connected, logged in, data loaded."""

    address: RedisAddress

    async def __call__(self) -> str | None:
        """Ask over a fresh connection."""
        try:
            await ask(self.address, ("PING",))
        except (OSError, TimeoutError, RedisError) as error:
            return f"port {self.address.port}: {error or 'no answer'}"
        return None


async def until_ready(probe: Probe, interval: float = INTERVAL) -> None:
    """Return when the probe says yes; bound it with `asyncio.timeout`."""
    while await probe() is not None:
        await asyncio.sleep(interval)
