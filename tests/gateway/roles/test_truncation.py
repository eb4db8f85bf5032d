"""An answer that ends with its connection, over TLS: complete only after a closing message (RFC 9112 §9.8)."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

ASK = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OLD = b"GET / HTTP/1.0\r\nHost: a\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\nthe order is cancelled"
FRAMED = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
LARGE = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2_000_000


def serve(listening: socket.socket, context: ssl.SSLContext, answer: bytes, said: bool) -> None:
    """Answer one request, then end the connection: with TLS's closing message, or with TCP's end alone."""
    with listening:
        connection, _ = listening.accept()
    with context.wrap_socket(connection, server_side=True) as tls:
        tls.recv(10_000)
        tls.sendall(answer)
        if said:
            tls.unwrap()  # sends close_notify and waits for the gateway's
        # Without: closing the descriptor sends FIN and nothing else, as somebody on the way could.


Start = Callable[..., Awaitable[str]]


@pytest.fixture
async def endpoint(authority: Any) -> AsyncIterator[Start]:
    """Start a service for one connection; the configuration in front of it."""
    threads: list[threading.Thread] = []
    ca = authority()
    files = ca.issue("shop", ["127.0.0.1"])

    async def start(answer: bytes, said: bool, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> str:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.cert, files.key)
        context.maximum_version = version
        listening = socket.create_server(("127.0.0.1", 0))
        threads.append(threading.Thread(target=serve, args=(listening, context, answer, said)))
        threads[-1].start()
        return f"""
        listeners: [{{name: public, port: 0}}]
        clusters: [{{name: shop, endpoints: ["127.0.0.1:{listening.getsockname()[1]}"], tls: {{ca: "{ca.file}"}}}}]
        routes: [{{name: all, public: true, backendRefs: [{{cluster: shop}}]}}]
        """

    yield start
    for thread in threads:
        await asyncio.to_thread(thread.join, 10)
        assert not thread.is_alive()


async def read(one: Any, request: bytes) -> tuple[bytes, bool]:
    """What the client got, and whether its connection was reset."""
    reader, writer = await asyncio.open_connection("127.0.0.1", one.ports["public"])
    writer.write(request)
    received = b""
    try:
        while piece := await asyncio.wait_for(reader.read(65_536), 5):
            received += piece
            if received.endswith((b"\r\n0\r\n\r\n", b"hello")):
                break
    except ConnectionResetError:
        return received, True
    finally:
        writer.close()
    return received, False


VERSIONS = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


@VERSIONS
async def test_an_end_that_was_said_is_an_end(gateway: Any, endpoint: Start, version: ssl.TLSVersion) -> None:
    one = await gateway(await endpoint(UNTIL_CLOSE, said=True, version=version))
    received, reset = await read(one, ASK)
    assert b"the order is cancelled" in received
    assert received.endswith(b"\r\n0\r\n\r\n")
    assert not reset
    assert one.total("gateway_broken_answers_total") == 0


@VERSIONS
@pytest.mark.parametrize("request_", [ASK, OLD], ids=["1.1", "1.0"])
async def test_an_end_that_only_happened_breaks_the_answer(
    gateway: Any, endpoint: Start, version: ssl.TLSVersion, request_: bytes
) -> None:
    one = await gateway(await endpoint(UNTIL_CLOSE, said=False, version=version))
    received, reset = await read(one, request_)
    assert not received.endswith(b"0\r\n\r\n")
    assert reset or (request_ is ASK and received)
    assert one.total("gateway_broken_answers_total", reason="upstream_reset") == 1


@pytest.mark.parametrize("answer", [FRAMED, CHUNKED], ids=["length", "chunks"])
async def test_an_answer_that_says_its_length_needs_no_such_message(
    gateway: Any, endpoint: Start, answer: bytes
) -> None:
    one = await gateway(await endpoint(answer, said=False))
    received, reset = await read(one, ASK)
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"hello" in received
    assert not reset
    assert one.total("gateway_broken_answers_total") == 0


async def test_a_large_answer_to_a_slow_reader(gateway: Any, endpoint: Start) -> None:
    """The message is found behind everything that waited for the client, not only beside the last packet."""
    one = await gateway(await endpoint(LARGE, said=True))
    reader, writer = await asyncio.open_connection("127.0.0.1", one.ports["public"], limit=1_000)
    writer.write(OLD)
    await reader.readuntil(b"\r\n\r\n")
    await asyncio.sleep(0.3)
    received = b""
    while piece := await asyncio.wait_for(reader.read(100_000), 5):
        received += piece
    assert len(received) == 2_000_000
    writer.close()


@pytest.mark.parametrize("code", [200, 404])
async def test_plain_tcp_ends_as_it_always_did(upstream: Any, gateway: Any, code: int) -> None:
    """Without TLS nobody can tell an end from a cut; a reset is one."""

    async def until_close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 %d X\r\n\r\nall of it" % code)
        writer.close()

    shop = await upstream(until_close)
    one = await gateway(f"""
    listeners: [{{name: public, port: 0}}]
    clusters: [{{name: shop, endpoints: ["{shop.address}"]}}]
    routes: [{{name: all, public: true, backendRefs: [{{cluster: shop}}]}}]
    """)
    received, _ = await read(one, ASK)
    assert received.endswith(b"\r\n0\r\n\r\n")
