"""HTTP in memory behaves as HTTP over sockets does, and opens none."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import Context, ContextVar
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from sample_services.kit.client import HttpClient, PeerUnavailable
from sample_services.kit.metrics import Metrics
from sample_services.kit.service import runner_of
from sample_services.kit.settings import Settings
from sample_services.kit.telemetry import Telemetry
from sample_services.monolith.memory import HIGH_WATER, End, InProcess, address

CALLER: ContextVar[str] = ContextVar("caller", default="")
PIECE = b"x" * 16_384
Serve = Callable[[web.Application], Awaitable[aiohttp.ClientSession]]


async def echo(request: web.Request) -> web.Response:
    body = await request.read()
    headers = {"Remote": str(request.remote), "Caller": CALLER.get()}
    return web.Response(body=body, headers=headers)


@pytest_asyncio.fixture
async def serve(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Serve]:
    """Sessions whose requests reach that application as the module `orders`; a socket would be an error."""

    async def no_socket(*_: Any, **__: Any) -> Any:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(aiohttp.TCPConnector, "_create_connection", no_socket)
    runners: list[web.AppRunner] = []
    sessions: list[aiohttp.ClientSession] = []

    async def make(app: web.Application) -> aiohttp.ClientSession:
        runner = runner_of(app)
        await runner.setup()
        runners.append(runner)
        assert runner.server is not None
        sessions.append(aiohttp.ClientSession(connector=InProcess("storefront", {"orders": runner.server})))
        return sessions[-1]

    yield make
    for session in sessions:
        await session.close()
    for runner in runners:
        await runner.cleanup()


def app(handler: Any) -> web.Application:
    made = web.Application(client_max_size=8 * 1_048_576)
    made.router.add_route("*", "/", handler)
    return made


@pytest.mark.asyncio
async def test_a_request_and_its_answer(serve: Serve) -> None:
    session = await serve(app(echo))
    async with session.post(address("orders"), data=b"hello") as answer:
        assert (answer.status, await answer.read()) == (200, b"hello")
        assert answer.headers["Remote"] == "storefront (in process)"


@pytest.mark.asyncio
async def test_large_bodies_arrive_whole(serve: Serve) -> None:
    session = await serve(app(echo))
    sent = bytes(range(256)) * 20_000
    async with session.post(address("orders"), data=io.BytesIO(sent)) as answer:
        assert await answer.read() == sent


@pytest.mark.asyncio
async def test_a_connection_is_kept(serve: Serve) -> None:
    seen: set[int] = set()

    async def handler(request: web.Request) -> web.Response:
        seen.add(id(request.transport))
        return web.Response()

    session = await serve(app(handler))
    for _ in range(5):
        async with session.get(address("orders")) as answer:
            await answer.read()
    assert len(seen) == 1


@pytest.mark.asyncio
async def test_a_slow_reader_stops_the_writer(serve: Serve) -> None:
    written = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal written
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(400):
            await response.write(PIECE)
            written += len(PIECE)
        return response

    session = await serve(app(handler))
    async with session.get(address("orders")) as answer:
        for _ in range(200):  # nobody reads, the writer may do what it wants
            await asyncio.sleep(0)
        assert written < 20 * HIGH_WATER
        assert len(await answer.read()) == 400 * len(PIECE)
    assert written == 400 * len(PIECE)


@pytest.mark.asyncio
async def test_what_the_caller_carries_stays_with_it(serve: Serve) -> None:
    """A deadline or a span of one request must not be that of all which come over the kept connection after it."""
    session = await serve(app(echo))
    CALLER.set("alice's request")
    async with session.get(address("orders")) as answer:
        assert answer.headers["Caller"] == ""


@pytest.mark.asyncio
async def test_who_waits_no_longer_leaves_and_the_next_is_served(serve: Serve) -> None:
    release = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        if request.query:
            await release.wait()
        return web.Response(text="here")

    session = await serve(app(handler))
    with pytest.raises(TimeoutError):
        async with session.get(f"{address('orders')}/?slow", timeout=aiohttp.ClientTimeout(0.05)):
            pass
    release.set()
    async with session.get(address("orders")) as answer:
        assert await answer.text() == "here"


@pytest.mark.asyncio
async def test_an_answer_cut_off_is_no_answer(serve: Serve) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.close()
        return response

    session = await serve(app(handler))
    async with session.get(address("orders")) as answer:
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()


@pytest.mark.asyncio
async def test_both_ends_are_told_once_of_the_end() -> None:
    class Told(asyncio.Protocol):
        def __init__(self) -> None:
            self.heard: list[str] = []

        def data_received(self, data: bytes) -> None:
            self.heard.append(data.decode())

        def connection_lost(self, exc: Exception | None) -> None:
            self.heard.append("lost")

    here, there = Told(), Told()
    near, far = End(here, "there", Context()), End(there, "here", Context())
    near.join(far)
    near.write(b"last words")
    near.close()
    near.write(b"too late")
    near.close()
    for _ in range(5):
        await asyncio.sleep(0)
    assert there.heard == ["last words", "lost"]
    assert here.heard == ["lost"]
    assert far.is_closing()


@pytest.mark.asyncio
async def test_a_module_that_is_not_there_is_a_peer_that_is_away(tmp_path: Any) -> None:
    settings = Settings(service="a", instance="a-1", data_dir=tmp_path, peers={"orders": address("orders")})
    metrics = Metrics()
    http = HttpClient(settings, Telemetry(settings, metrics), metrics, InProcess("a", {}))
    with pytest.raises(PeerUnavailable):
        await http.request("orders", "GET", "/products")
    await http.close()
