"""Clients that ask and do not listen: memory stays bounded, they are cut off in the end, and a slow one gets all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from fuzz.memory import Wire
from gateway.http.answering import LINGER_SECONDS
from gateway.http.server import ServerConnection
from tests.differential.here import Here, gateway_here, upstream_here

BODY = 200_000
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BODY + b"x" * BODY


@contextlib.asynccontextmanager
async def slow_reader_test(listener: str = "") -> AsyncIterator[tuple[Here, list[bytes]]]:
    served: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            served.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(ANSWER)
            await writer.drain()

    async with upstream_here(serve) as port, gateway_here(port, listener) as here:
        yield here, served


async def test_pipelined_requests_without_reading_stop_being_served() -> None:
    async with slow_reader_test() as (here, served):
        _, writer = await asyncio.open_connection("127.0.0.1", here.port, limit=1_000)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 1_000)
        before = -1
        while len(served) != before:
            before = len(served)
            await asyncio.sleep(0.2)
        assert 1 <= len(served) < 100
        (connection,) = here.listener.connections
        assert connection.transport.get_write_buffer_size() < 4 * BODY
        writer.transport.abort()


async def test_a_client_that_takes_nothing_is_cut_off() -> None:
    """With every request answered and nothing more asked for: `close` alone would wait for it for ever."""
    async with slow_reader_test(", idleTimeout: 300ms") as (here, served):
        _, writer = await asyncio.open_connection("127.0.0.1", here.port, limit=1_000)
        async with asyncio.timeout(10):
            while True:
                writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                asked = len(served)
                while len(served) == asked or here.worker.exchanges:
                    await asyncio.sleep(0.001)
                (connection,) = here.listener.connections
                if connection.transport.get_write_buffer_size():
                    break
            while here.listener.connections:
                await asyncio.sleep(0.05)
        writer.transport.abort()


async def test_a_slow_reader_gets_every_answer() -> None:
    async with slow_reader_test() as (here, served):
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port, limit=1_000)
        writer.write(
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 99 + b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        )
        await asyncio.sleep(0.3)  # the gateway has stopped by now
        received = await reader.read()
        assert received.count(b"HTTP/1.1 200 OK") == len(served) == 100
        assert received.count(b"x" * BODY) == 100
        assert here.failures == []
        writer.close()


@pytest.mark.parametrize(("unsent", "patience"), [(0, LINGER_SECONDS), (1, 60.0)])
async def test_closing_waits_longer_while_something_is_unsent(unsent: int, patience: float) -> None:
    """RFC 9112 §9.6: a slow reader gets the end of its answer before the connection goes."""
    async with slow_reader_test() as (here, _):
        connection = ServerConnection(here.listener)
        wire = Wire(connection, lambda _: None)
        wire.unsent = unsent
        connection.connection_made(wire)
        wire.feed(b"BLARGH\r\n\r\n")
        assert wire.sent.startswith(b"HTTP/1.1 400 ")
        assert connection.deadline - here.worker.clock() == pytest.approx(patience, abs=0.5)
        wire.feed(None)
