"""Hostile upstreams, raw bytes in and out: what the client gets, and that nothing spills into the next exchange."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import httptools
import pytest

from tests.differential.here import gateway_here, read_until_quiet, upstream_here

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext"


@dataclass(frozen=True)
class Case:
    """An upstream's bytes; `status` 0 means: begun, then visibly broken."""

    name: str
    raw: bytes
    status: int
    body: bytes = b""
    reused: bool = False
    """Whether the upstream's connection may carry the next request."""
    closes: bool = False
    """Whether the upstream closes after these bytes."""
    method: str = "GET"


def _bad(name: str, raw: bytes, closes: bool = False) -> Case:
    return Case(name, raw, 502, closes=closes)


def _head(*lines: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", *lines]) + b"\r\n\r\n"


LONG = b"Content-Length: 5"
CHUNKED = b"Transfer-Encoding: chunked"
HELLO = b"5\r\nhello\r\n0\r\n\r\n"

CASES = (
    Case("a length", _head(LONG) + b"hello", 200, b"hello", reused=True),
    Case("chunks", _head(CHUNKED) + HELLO, 200, b"hello", reused=True),
    Case(
        "chunks with extensions and trailers",
        _head(CHUNKED) + b"5;a\r\nhello\r\n0\r\nT: x\r\n\r\n",
        200,
        b"hello",
        True,
    ),
    Case("until the end", _head() + b"hello", 200, b"hello", closes=True),
    Case("until the end, after connection: close", _head(b"Connection: close", LONG) + b"hello", 200, b"hello"),
    Case("HTTP/1.0", b"HTTP/1.0 200 OK\r\n\r\nhello", 200, b"hello", closes=True),
    Case("HTTP/1.0 with a length", b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, b"hello"),
    Case(
        "HTTP/1.0 kept",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello",
        200,
        b"hello",
        True,
    ),
    Case("an early hint", b"HTTP/1.1 103 Hints\r\nLink: </a>\r\n\r\n" + _head(LONG) + b"hello", 200, b"hello", True),
    # RFC 9112 §6.3: framing that contradicts itself is an upstream's error, not a choice
    _bad("two lengths that differ", _head(LONG, b"Content-Length: 6") + b"hello!"),
    _bad("two equal lengths", _head(LONG, LONG) + b"hello"),
    _bad("length and coding", _head(LONG, CHUNKED) + HELLO),
    _bad("a negative length", _head(b"Content-Length: -5") + b"hello"),
    _bad("an unknown coding", _head(b"Transfer-Encoding: gzip") + b"hello"),
    _bad("two codings", _head(b"Transfer-Encoding: gzip, chunked") + HELLO),
    _bad("chunked in HTTP/1.0", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + HELLO),
    # RFC 9112 §5, RFC 9110 §5.5: a head that is none
    _bad("NUL in a field", _head(b"X: a\x00b", LONG) + b"hello"),
    _bad("obs-fold", _head(b"X: a\r\n b", LONG) + b"hello"),
    _bad("a bare LF", b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello\r\n\r\n"),
    _bad("a space before the colon", _head(b"Content-Length : 5") + b"hello"),
    _bad("no field", _head(b"nothing", LONG) + b"hello"),
    _bad("a huge head", _head(b"X: " + b"x" * 70_000, LONG) + b"hello"),
    _bad("a head without end", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000),
    _bad("HTTP/0.9", b"<html>hello</html>\r\n\r\n", closes=True),
    _bad("HTTP/2", b"HTTP/2 200\r\n\r\n"),
    _bad("another protocol", b"220 mail.example ESMTP\r\n"),
    _bad("a status that is none", b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"),
    _bad("nothing", b"", closes=True),
    _bad("half a head", b"HTTP/1.1 200 OK\r\nContent-Le", closes=True),
    # RFC 9110 §15.2: informational answers end nothing, so they are counted
    _bad("101 unasked", b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nhello"),
    _bad("a flood of 100", b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000 + GOOD),
    # RFC 9112 §8: what cannot be completed must not look complete
    Case("cut short", _head(b"Content-Length: 50") + b"hello", 0, closes=True),
    Case("chunks cut short", _head(CHUNKED) + b"5\r\nhello\r\n", 0, closes=True),
    Case("chunks without the last CR LF", _head(CHUNKED) + b"5\r\nhello\r\n0\r\n", 0, closes=True),
    _bad("a bad first chunk", _head(CHUNKED) + b"x\r\nhello\r\n0\r\n\r\n"),
    _bad("endless trailers", _head(CHUNKED) + b"0\r\n" + b"A: b\r\n" * 5_000),
    # RFC 9112 §9.3 and §11.1: bytes after the answer are nobody's; the connection is given up
    Case("more than its length", _head(LONG) + b"hello" + GOOD, 200, b"hello"),
    Case("more than its chunks", _head(CHUNKED) + HELLO + GOOD, 200, b"hello"),
    Case("204 with a body", b"HTTP/1.1 204 No Content\r\n\r\nhello", 204),
    Case("204 with a length", b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204),
    Case("304 with a length", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, reused=True),
    Case("HEAD", _head(LONG), 200, reused=True, method="HEAD"),
    Case("HEAD with a body", _head(LONG) + b"hello", 200, method="HEAD"),
    Case("HEAD with chunks", _head(CHUNKED) + HELLO, 200, method="HEAD"),
)


class Read:
    """What llhttp, which shares nothing with our parser, makes of an answer."""

    def __init__(self, said: bytes) -> None:
        self.body, self.complete = b"", False
        self._parser = httptools.HttpResponseParser(self)
        self._parser.feed_data(said)
        self.status = self._parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.complete = self._parser.get_status_code() >= 200  # an informational answer completes nothing


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_case(case: Case) -> None:
    connections = 0

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        first = connections == 1
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(case.raw if first else GOOD)
            await writer.drain()
            if first and case.closes:
                return
            first = False

    async with upstream_here(speak) as port, gateway_here(port, timeouts="request: 2s") as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(b"%b /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % case.method.encode())
        said, ended = await read_until_quiet(reader, 2.0)
        writer.close()
        assert ended
        if case.status == 0:
            assert not said or not Read(said).complete
            assert here.total("gateway_broken_answers_total") == 1
        elif case.method == "HEAD":
            assert said.startswith(b"HTTP/1.1 200 OK")
            assert said.endswith(b"\r\n\r\n")
        else:
            found = Read(said)
            assert (found.status, found.complete) == (case.status, True)
            assert case.status == 502 or found.body == case.body
        await asyncio.sleep(0)
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        writer.write(b"GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        after = Read((await read_until_quiet(reader, 2.0))[0])
        writer.close()
        assert (after.status, after.body) == (200, b"next"), "one answer has spilled into the next"
        assert connections == (1 if case.reused else 2)
        assert here.failures == []
        assert not here.worker.exchanges
