"""Slowloris, on a clock of the test's own: however the bytes of a head are spread, its time is one and total."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable
from random import Random

import pytest

from fuzz.memory import Wire
from gateway.compile.load import load_text
from gateway.http.server import ServerConnection
from gateway.roles.listener import Listener
from gateway.roles.worker import Worker

HEADER_TIMEOUT, IDLE_TIMEOUT = 10.0, 60.0
SPEC = load_text(
    """
listeners: [{name: public, port: 1, headerTimeout: 10s, idleTimeout: 60s}]
accessLog: {enabled: false}
clusters: [{name: shop, endpoints: ["127.0.0.1:1"]}]
routes: [{name: one, public: true, matches: [{path: {value: /shop}}], backendRefs: [{cluster: shop}]}]
""",
    "test.yaml",
    {},
)
WHOLE = b"GET /none HTTP/1.1\r\nHost: a\r\n\r\n"
HEAD = b"GET /none HTTP/1.1\r\nHost: a\r\n"


class Slow:
    """A client's connection in memory, and the time."""

    def __init__(self) -> None:
        self.now = 1_000.0
        worker = Worker("test-1", lambda: self.now, Random(7), None)
        worker.apply(SPEC, {}, 1)
        self.listener = Listener(SPEC.listeners[0], worker)
        connection = ServerConnection(self.listener)
        self.wire = Wire(connection, lambda _: None)
        connection.connection_made(self.wire)

    async def trickle(self, data: Iterable[int], interval: float) -> float:
        """One byte each `interval` seconds until the gateway has had enough; how long that took."""
        began, before = self.now, len(self.wire.sent)
        for octet in itertools.islice(data, 2_000):
            self.wire.feed(bytes([octet]))
            self.now += interval
            self.listener.sweep()
            await asyncio.sleep(0)
            if self.wire.ended or len(self.wire.sent) > before:
                break
        return self.now - began


def endless_fields() -> Iterable[int]:
    return itertools.chain(HEAD, itertools.cycle(b"X: a\r\n"))


INTERVALS = pytest.mark.parametrize("interval", [0.02, 0.5, 3.0, 9.9])


@INTERVALS
async def test_a_head_byte_by_byte(interval: float) -> None:
    client = Slow()
    took = await client.trickle(endless_fields(), interval)
    assert HEADER_TIMEOUT <= took < HEADER_TIMEOUT + 2 * interval
    assert client.wire.sent.startswith(b"HTTP/1.1 408 ")
    assert b'"reason":"header_timeout"' in client.wire.sent
    assert client.wire.ended


@INTERVALS
async def test_the_next_head_of_a_kept_connection(interval: float) -> None:
    client = Slow()
    client.wire.feed(WHOLE)
    await asyncio.sleep(0)
    client.now += IDLE_TIMEOUT - 1  # a kept connection may wait that long; from the first byte the head's time counts
    answered = len(client.wire.sent)
    took = await client.trickle(endless_fields(), interval)
    assert took < HEADER_TIMEOUT + 2 * interval
    assert client.wire.sent[answered:].startswith(b"HTTP/1.1 408 ")


@INTERVALS
async def test_empty_lines_buy_no_time(interval: float) -> None:
    """RFC 9112 section 2.2 has us ignore them: they begin no head, and prolong nothing."""
    client = Slow()
    took = await client.trickle(itertools.cycle(b"\r\n"), interval)
    assert took < HEADER_TIMEOUT + 2 * interval
    assert client.wire.ended


async def test_a_connection_that_says_nothing() -> None:
    client = Slow()
    client.now += HEADER_TIMEOUT
    client.listener.sweep()
    assert (bytes(client.wire.sent), client.wire.ended) == (b"", True)


async def test_the_unwanted_rest_of_a_body_byte_by_byte() -> None:
    """An early answer reads a short body to keep the connection; that is not a way to hold it open."""
    client = Slow()
    client.wire.feed(b"POST /none HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n")
    await asyncio.sleep(0)
    assert client.wire.sent.startswith(b"HTTP/1.1 404 ")
    assert await client.trickle(itertools.repeat(120), 1.0) <= HEADER_TIMEOUT + 2
    assert client.wire.ended


async def test_a_head_that_comes_in_time_is_answered() -> None:
    client = Slow()
    interval = HEADER_TIMEOUT / (len(WHOLE) + 1)
    assert await client.trickle(WHOLE, interval) < HEADER_TIMEOUT
    assert client.wire.sent.startswith(b"HTTP/1.1 404 ")
    assert not client.wire.ended
