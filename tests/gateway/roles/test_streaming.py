"""Long answers (server-sent events and the like), as the client sees them: each piece when it comes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.gateway.roles.test_exchange import config, last

EVENT = b"data: %d\n\n"
CHUNK = b"9\r\ndata: %d\n\n\r\n"
LINES = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


@pytest.mark.parametrize("framed", [True, False], ids=["chunks", "until close"])
async def test_each_event_arrives_before_the_next_is_made(upstream: Any, gateway: Any, framed: bool) -> None:
    """The service waits for the client's word: a buffer anywhere between the two would wait for ever."""

    async def events(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(LINES + (b"Transfer-Encoding: chunked\r\n\r\n" if framed else b"\r\n"))
        for number in range(5):
            writer.write((CHUNK if framed else EVENT) % number)
            await heard.acquire()
        if framed:
            writer.write(b"0\r\n\r\n")
        else:
            writer.close()

    heard = asyncio.Semaphore(0)
    shop = await upstream(events)
    edge = await gateway(config(shop.address))
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.ports["public"])
    writer.write(last())
    async with asyncio.timeout(5):
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"content-type: text/event-stream" in head
        for number in range(5):
            assert await reader.readuntil(b"\n\n\r\n") == CHUNK % number
            heard.release()
        assert await reader.read() == b"0\r\n\r\n"
    writer.close()


async def test_a_stream_without_a_time_limit_outlives_the_others(upstream: Any, gateway: Any) -> None:
    """`request: 0s` for event streams: only silence ends them, visibly."""

    async def events(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(LINES + b"Transfer-Encoding: chunked\r\n\r\n")
        for number in range(6):
            writer.write(CHUNK % number)
            await asyncio.sleep(0.1)
        await asyncio.Event().wait()

    shop = await upstream(events)
    limits = "    timeouts: {request: 0s, backendRequest: 200ms, idle: 300ms}"
    edge = await gateway(config(shop.address, route_extra=limits))
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.ports["public"])
    writer.write(last())
    async with asyncio.timeout(5):
        await reader.readuntil(CHUNK % 5)
        with pytest.raises(ConnectionResetError):
            await reader.read()
    assert edge.total("gateway_broken_answers_total", reason="upstream_timeout") == 1
    writer.close()
