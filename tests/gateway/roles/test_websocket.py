"""WebSocket through the gateway: real clients and servers, and handshakes that must not pass."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

KEY = base64.b64encode(b"0123456789abcdef").decode()
ACCEPT = base64.b64encode(hashlib.sha1(KEY.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()).decode()


def config(address: str, route: str = "") -> str:
    return f"""
listeners: [{{name: public, port: 0}}]
clusters: [{{name: chat, endpoints: ["{address}"]}}]
routes:
  - name: chat
    public: true
    matches: [{{path: {{value: /chat}}}}]
    filters: [{{type: RateLimit, requests: 3}}]
    backendRefs: [{{cluster: chat}}]
{route}
"""


@pytest.fixture
async def echo() -> AsyncIterator[str]:
    """A real WebSocket server that echoes, and says who asked."""

    async def serve(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("chat.v1",))
        await socket.prepare(request)
        await socket.send_str(request.headers["x-forwarded-for"])
        async for message in socket:
            if message.data == "bye":
                break
            await socket.send_str(message.data)
        return socket

    app = web.Application()
    app.router.add_get("/chat", serve)
    async with TestServer(app) as server:
        yield f"127.0.0.1:{server.port}"


async def test_messages_pass_both_ways(echo: str, gateway: Any) -> None:
    edge = await gateway(config(echo))
    url = f"http://127.0.0.1:{edge.ports['public']}/chat"
    async with aiohttp.ClientSession() as session, session.ws_connect(url, protocols=("chat.v1",)) as socket:
        assert socket.protocol == "chat.v1"
        assert await socket.receive_str() == "127.0.0.1"
        for size in (1, 1_000, 100_000, 1_000_000):
            await socket.send_str("x" * size)
            assert len(await socket.receive_str()) == size
        await socket.send_str("bye")
        assert (await socket.receive()).type == aiohttp.WSMsgType.CLOSE
    while edge.worker.exchanges:
        await asyncio.sleep(0.005)
    assert edge.total("http_server_request_duration_seconds_count", http_response_status_code="101") == 1
    assert edge.total("gateway_clients_gone_total") == 0


async def test_filters_run_before_the_tunnel(echo: str, gateway: Any) -> None:
    edge = await gateway(config(echo))
    url = f"http://127.0.0.1:{edge.ports['public']}/chat"
    async with aiohttp.ClientSession() as session:
        for _ in range(3):
            async with session.ws_connect(url) as socket:
                await socket.receive_str()
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(url)
    assert refused.value.status == 429


@pytest.mark.parametrize(
    ("origin", "allowed", "passes"),
    [
        ("http://{own}", "", True),
        ("https://evil.example", "", False),
        ("null", "", False),
        ("https://shop.example", "    webSocket: {origins: ['https://shop.example']}", True),
        ("https://SHOP.example", "    webSocket: {origins: ['https://shop.example']}", True),
        ("https://shop.example.evil.example", "    webSocket: {origins: ['https://shop.example']}", False),
        ("https://evil.example", "    webSocket: {origins: ['*']}", True),
    ],
)
async def test_origins(echo: str, gateway: Any, origin: str, allowed: str, passes: bool) -> None:
    edge = await gateway(config(echo, allowed))
    own = f"127.0.0.1:{edge.ports['public']}"
    async with aiohttp.ClientSession() as session:
        connecting = session.ws_connect(f"http://{own}/chat", origin=origin.format(own=own))
        if passes:
            async with connecting as socket:
                assert await socket.receive_str() == "127.0.0.1"
        else:
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await connecting
            assert refused.value.status == 403


def handshake(*fields: str, method: str = "GET", version: str = "1.1", key: str = KEY, number: str = "13") -> bytes:
    lines = [
        f"{method} /chat HTTP/{version}",
        "Host: a",
        "Connection: keep-alive, Upgrade",
        "Upgrade: WebSocket",
        f"Sec-WebSocket-Key: {key}",
        f"Sec-WebSocket-Version: {number}",
        *fields,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (handshake(method="POST"), 400),
        (handshake(version="1.0"), 400),
        (handshake(key="short"), 400),
        (handshake(key=""), 400),
        (handshake("Content-Length: 3"), 400),
        (handshake(number="8"), 426),
    ],
)
async def test_broken_handshakes(upstream: Any, gateway: Any, raw: bytes, status: int) -> None:
    chat = await upstream(b"")
    edge = await gateway(config(chat.address))
    assert (await edge.raw(raw)).startswith(b"HTTP/1.1 %d " % status)
    assert chat.seen == []


SWITCH = (
    f"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n".encode()
)


@pytest.mark.parametrize(
    "answer",
    [
        SWITCH.replace(ACCEPT.encode(), b"AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        SWITCH.replace(b"Upgrade: websocket", b"Upgrade: h2c"),
        SWITCH.replace(b"Connection: Upgrade\r\n", b""),
    ],
)
async def test_a_101_that_does_not_answer_the_handshake(upstream: Any, gateway: Any, answer: bytes) -> None:
    chat = await upstream(answer)
    edge = await gateway(config(chat.address))
    got = await edge.raw(handshake().replace(b"keep-alive", b"close"))
    assert got.startswith(b"HTTP/1.1 502 ")
    assert b"upstream_protocol_error" in got


async def test_a_101_that_nobody_asked_for(upstream: Any, gateway: Any) -> None:
    chat = await upstream(SWITCH)
    edge = await gateway(config(chat.address))
    got = await edge.raw(b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 502 ")


async def test_other_upgrades_are_ignored(upstream: Any, gateway: Any) -> None:
    chat = await upstream(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    edge = await gateway(config(chat.address))
    raw = b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\n"
    got = await edge.raw(raw + b"HTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n")
    assert got.startswith(b"HTTP/1.1 200 ")
    assert b"pgrade" not in chat.seen[0]
    assert b"ettings" not in chat.seen[0]


async def test_a_service_may_refuse_the_upgrade(upstream: Any, gateway: Any) -> None:
    chat = await upstream(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
    edge = await gateway(config(chat.address))
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.ports["public"])
    writer.write(handshake() + handshake())
    assert (await reader.readuntil(b"no")).startswith(b"HTTP/1.1 403 ")
    assert (await reader.readuntil(b"no")).startswith(b"HTTP/1.1 403 ")  # the connection speaks HTTP on
    writer.close()


async def test_early_bytes_wait_for_the_101(upstream: Any, gateway: Any) -> None:
    async def switch(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readexactly(1), 0.1)
        writer.write(SWITCH + b"first")
        writer.write(await reader.readexactly(5))

    chat = await upstream(switch)
    edge = await gateway(config(chat.address))
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.ports["public"])
    writer.write(handshake() + b"early")
    assert b"sec-websocket-accept" in await reader.readuntil(b"\r\n\r\n")
    assert await reader.readexactly(10) == b"firstearly"
    writer.close()


async def test_a_silent_tunnel_ends(upstream: Any, gateway: Any) -> None:
    chat = await upstream(SWITCH)
    edge = await gateway(config(chat.address, "    timeouts: {idle: 100ms, request: 50ms}"))
    got = await edge.raw(handshake())
    assert got.startswith(b"HTTP/1.1 101 ")
    assert edge.worker.exchanges == set()


async def test_a_reset_on_one_side_ends_the_other(upstream: Any, gateway: Any) -> None:
    async def switch(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(SWITCH)
        assert await reader.read() == b""
        ended.set()

    ended = asyncio.Event()
    chat = await upstream(switch)
    edge = await gateway(config(chat.address))
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.ports["public"])
    writer.write(handshake())
    await reader.readuntil(b"\r\n\r\n")
    writer.transport.abort()
    await asyncio.wait_for(ended.wait(), 5)
    assert edge.worker.exchanges == set()


async def test_a_drain_ends_the_tunnel_after_what_was_sent(upstream: Any, gateway: Any) -> None:
    """An end, not a reset, which could destroy the last frames; that no Close frame came tells it (RFC 6455 §7.1.5)."""

    async def switch(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(SWITCH + b"x" * 300_000)
        left.set_result(await reader.read())

    left: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    chat = await upstream(switch)
    edge = await gateway(config(chat.address))
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.ports["public"])
    writer.write(handshake() + b"last words")
    await reader.readuntil(b"\r\n\r\n")
    edge.listeners["public"].drain()
    assert await reader.readexactly(300_000) == b"x" * 300_000  # a drain alone ends no tunnel
    (exchange,) = edge.worker.exchanges
    exchange.cut_off()
    assert await reader.read() == b""
    assert await asyncio.wait_for(left, 5) == b"last words"
    assert exchange.reason == "drain_timeout"
    assert edge.total("gateway_broken_answers_total") == 0
    writer.close()
