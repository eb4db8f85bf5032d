"""A slow way to the shop: what passes comes later, and not all at once.

The problem: on loopback a round trip takes no time, so an API that needs many of them looks as good as one that needs
few. The rule: a proxy on loopback that passes bytes on as they are. Each direction is a line on which so many bytes
start a second, whoever sends them, and arrive half a round trip later. Who connects waits a whole one first, as TCP
does (SYN, SYN-ACK); TLS would add another (RFC 8446, section 2).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

PACKET: Final = 1_460
"""Bytes that start together: what an Ethernet frame carries of TCP."""


@dataclass
class Line:
    """One direction."""

    delay: float
    """Seconds from end to end."""
    rate: float
    """Bytes a second."""
    passed: int = 0
    """Bytes, so far."""
    _free: float = 0.0
    """When the next byte can start."""

    def arrival(self, size: int, now: float) -> float:
        """When bytes arrive that are handed over now."""
        self.passed += size
        self._free = max(self._free, now) + size / self.rate
        return self._free + self.delay


@dataclass(frozen=True)
class SlowLink:
    """The way, while it is there."""

    url: str
    out: Line
    back: Line


@asynccontextmanager
async def slow_link(host: str, port: int, round_trip: float, rate: float) -> AsyncIterator[SlowLink]:
    """A way to host and port; seconds, and bytes a second."""
    out, back = Line(round_trip / 2, rate), Line(round_trip / 2, rate)
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        await asyncio.sleep(round_trip)
        from_shop, to_shop = await asyncio.open_connection(host, port)
        try:
            await asyncio.gather(_carry(out, reader, to_shop), _carry(back, from_shop, writer))
        except (ConnectionError, asyncio.CancelledError):
            return  # one end has gone, or the link has
        finally:
            to_shop.close()
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield SlowLink(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", out, back)
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _carry(line: Line, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Pass on what comes until its end; reading goes on while earlier packets are under way."""
    clock = asyncio.get_running_loop().time
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=1_000)

    async def deliver() -> None:
        while True:
            arrival, packet = await under_way.get()
            await asyncio.sleep(arrival - clock())
            if not packet:
                target.write_eof()
                return
            target.write(packet)

    async def take() -> None:
        packet = b"-"
        while packet:
            packet = await source.read(PACKET)
            await under_way.put((line.arrival(len(packet), clock()), packet))

    await asyncio.gather(take(), deliver())
