"""Calls to peers: bounded in time and size, failing as one of two errors."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from sample_services.kit import client as client_module
from sample_services.kit.client import HttpClient, PeerError, PeerUnavailable
from sample_services.kit.metrics import Metrics
from sample_services.kit.settings import Secrets, Settings
from sample_services.kit.telemetry import Telemetry


class Peer:
    """A real HTTP server whose routes each test adds."""

    def __init__(self) -> None:
        self.app = web.Application()
        self.seen: list[web.Request] = []

    def on(self, path: str, answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> None:
        async def handler(request: web.Request) -> web.StreamResponse:
            self.seen.append(request)
            await request.read()
            return await answer(request)

        self.app.router.add_route("*", path, handler)


@pytest.fixture
async def peer() -> Peer:
    return Peer()


Connect = Callable[[], Awaitable[HttpClient]]


@pytest.fixture
async def connect(peer: Peer, settings: Settings, metrics: Metrics, telemetry: Telemetry) -> AsyncIterator[Connect]:
    opened: list[tuple[TestServer, HttpClient]] = []

    async def start() -> HttpClient:
        server = TestServer(peer.app)
        await server.start_server()
        url = str(server.make_url("")).rstrip("/")
        told = settings.model_copy(
            update={
                "peers": {"identity": url, "gone": "http://127.0.0.1:1"},
                "secrets": Secrets(client_secret="s3cret"),
            }
        )
        client = HttpClient(told, telemetry, metrics)
        opened.append((server, client))
        return client

    yield start
    for server, client in opened:
        await client.close()
        await server.close()


async def test_sends_trace_and_token_and_returns_any_status(peer: Peer, connect: Connect, telemetry: Telemetry) -> None:
    async def teapot(_: web.Request) -> web.Response:
        return web.json_response({"a": 1}, status=418)

    peer.on("/x", teapot)
    client = await connect()
    with telemetry.span("work") as span:
        answer = await client.request("identity", "GET", "/x?q=1", token="t")
    assert (answer.status, answer.json()) == (418, {"a": 1})
    [request] = peer.seen
    assert request.headers["Authorization"] == "Bearer t"
    assert request.headers["traceparent"].split("-")[1] == f"{span.get_span_context().trace_id:032x}"
    with pytest.raises(PeerError, match="answered 418"):
        answer.expect(200, 404)


async def test_redirects_are_not_followed(peer: Peer, connect: Connect) -> None:
    async def away(_: web.Request) -> web.Response:
        raise web.HTTPFound("/elsewhere")

    peer.on("/x", away)
    assert (await (await connect()).request("identity", "GET", "/x")).status == 302
    assert len(peer.seen) == 1


@pytest.mark.parametrize("name", ["gone", "nobody"])
async def test_a_peer_that_is_away(connect: Connect, metrics: Metrics, name: str) -> None:
    with pytest.raises(PeerUnavailable) as caught:
        await (await connect()).request(name, "GET", "/")
    assert (caught.value.status, caught.value.reason) == (503, "peer_unavailable")
    assert b'error_type="peer_unavailable"' in metrics.exposition("")[0]


async def test_a_peer_that_is_too_slow(peer: Peer, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    release = asyncio.Event()

    async def stuck(_: web.Request) -> web.Response:
        await release.wait()
        return web.Response()

    peer.on("/x", stuck)
    monkeypatch.setattr(client_module, "TIMEOUT_S", 0.05)
    client = await connect()
    with pytest.raises(PeerUnavailable):
        await client.request("identity", "GET", "/x")
    release.set()


async def test_a_peer_that_answers_too_much(peer: Peer, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    async def much(_: web.Request) -> web.Response:
        return web.Response(body=b"x" * 1_001)

    peer.on("/x", much)
    monkeypatch.setattr(client_module, "MAX_ANSWER_BYTES", 1_000)
    with pytest.raises(PeerError, match="too much"):
        await (await connect()).request("identity", "GET", "/x")


async def test_a_peer_that_breaks_off(peer: Peer, connect: Connect) -> None:
    async def broken(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.close()
        return response

    peer.on("/x", broken)
    with pytest.raises(PeerError, match="broke the exchange"):
        await (await connect()).request("identity", "GET", "/x")


async def test_what_is_not_json_is_a_peer_error(peer: Peer, connect: Connect) -> None:
    async def text(_: web.Request) -> web.Response:
        return web.Response(text="<html>")

    peer.on("/x", text)
    answer = await (await connect()).request("identity", "GET", "/x")
    with pytest.raises(PeerError, match="JSON"):
        answer.json()


async def test_its_own_token_is_fetched_once_by_all_who_wait(peer: Peer, connect: Connect) -> None:
    forms = []

    async def issue(request: web.Request) -> web.Response:
        forms.append(dict(await request.post()))
        return web.json_response({"access_token": f"t{len(forms)}", "expires_in": 600})

    peer.on("/token", issue)
    client = await connect()
    assert await asyncio.gather(*(client.token("credentials:reset") for _ in range(5))) == ["t1"] * 5
    assert forms == [
        {
            "grant_type": "client_credentials",
            "scope": "credentials:reset",
            "client_id": "orders",
            "client_secret": "s3cret",
        }
    ]
    assert await client.token("other") == "t2"


async def test_a_token_about_to_expire_is_fetched_again(peer: Peer, connect: Connect) -> None:
    async def issue(_: web.Request) -> web.Response:
        return web.json_response({"access_token": f"t{len(peer.seen)}", "expires_in": 20})

    peer.on("/token", issue)
    client = await connect()
    assert [await client.token("s"), await client.token("s")] == ["t1", "t2"]
