"""Is it ready? One small question per process kind, asked again and again until the answer is yes.

A probe returns None for "ready", else the reason why not. It costs one connection and a few hundred bytes:
no HTTP library, since the supervisor stays in memory for as long as the shop runs.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
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
        return (await self.look())[0]

    async def look(self) -> tuple[str | None, bytes]:
        """The reason why it is not ready, or None, and the answer's body."""
        try:
            async with asyncio.timeout(self.timeout):
                return _judge(await self._answer())
        except TimeoutError:
            return f"no answer on port {self.port} within {self.timeout:g} s", b""
        except OSError as error:
            return f"port {self.port}: {error.strerror or error}", b""

    async def _answer(self) -> bytes:
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            request = f"GET {self.path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nConnection: close\r\n\r\n"
            writer.write(request.encode())
            return await _read_bounded(reader)
        finally:
            writer.close()


async def _read_bounded(reader: asyncio.StreamReader, limit: int = 65_536) -> bytes:
    received = b""
    while len(received) < limit and (part := await reader.read(limit - len(received))):
        received += part
    return received


def _judge(answer: bytes) -> tuple[str | None, bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    status_line = head.split(b"\r\n", 1)[0].decode("latin-1")
    if status_line.split(" ")[1:2] == ["200"]:
        return None, body
    said = " ".join(body.decode("utf-8", "replace").split())[:300]
    reason = f"{status_line}: {said}" if said else status_line
    return reason or "connection closed", body


class WorkerProbe:
    """The control process lists this worker with a configuration in force.

    Workers share their listening sockets, so none can be asked by itself. While control is away nobody can tell,
    and the worker serves the last good configuration: after `patience` seconds of that it counts as ready.
    """

    def __init__(
        self, control: HttpProbe, worker: str, patience: float = 5.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.control, self.worker = control, worker
        self._patience, self._clock = patience, clock
        self._away_since: float | None = None

    async def __call__(self) -> str | None:
        """Ask control."""
        reason, body = await self.control.look()
        if not body:
            return None if self._waited_enough() else f"control cannot be asked: {reason}"
        self._away_since = None
        return None if self._is_listed(body) else "control has not heard of it yet"

    def _waited_enough(self) -> bool:
        now = self._clock()
        if self._away_since is None:
            self._away_since = now
        if now - self._away_since < self._patience:
            return False
        self._away_since = None
        return True

    def _is_listed(self, body: bytes) -> bool:
        try:
            workers = json.loads(body)["workers"]
            return any(one["name"] == self.worker and one["version"] is not None for one in workers)
        except (ValueError, LookupError, TypeError):
            return False


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
