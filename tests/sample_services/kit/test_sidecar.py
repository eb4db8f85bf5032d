"""A service of a mesh listens to its own sidecar and calls through it; without a mesh it knows of none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from sample_services.kit.client import HttpClient
from sample_services.kit.metrics import Metrics
from sample_services.kit.observe import Observer
from sample_services.kit.settings import Secrets, Settings
from sample_services.kit.sidecar import CALLER, HEADER, only_from_sidecar
from sample_services.kit.telemetry import Telemetry

Client = TestClient[web.Request, web.Application]


async def answer(_: web.Request) -> web.Response:
    return web.json_response({"a": 1})


@pytest.fixture
async def service(metrics: Metrics, telemetry: Telemetry) -> AsyncIterator[Client]:
    app = web.Application(middlewares=[Observer(telemetry, metrics).middleware(), only_from_sidecar("s3cret", metrics)])
    app.router.add_get("/orders", answer)
    app.router.add_get("/healthz", answer)
    async with TestClient(TestServer(app)) as client:
        yield client


def counted(metrics: Metrics) -> float | None:
    return metrics.registry.get_sample_value("service_requests_not_from_sidecar_total")


async def test_the_sidecar_is_listened_to(service: Client, metrics: Metrics) -> None:
    assert (await service.get("/orders", headers={HEADER: "s3cret"})).status == 200
    assert counted(metrics) == 0


@pytest.mark.parametrize(
    "headers",
    [[], [(HEADER, "guess")], [(HEADER, "")], [(HEADER, "s3cret"), (HEADER, "s3cret")], [(CALLER, "s3cret")]],
)
@pytest.mark.parametrize("path", ["/orders", "/nothing-here", "/healthz/", "/healthz%2f"])
async def test_nobody_else_is(service: Client, metrics: Metrics, headers: list[tuple[str, str]], path: str) -> None:
    refused = await service.get(path, headers=headers)
    assert (refused.status, (await refused.json())["reason"]) == (403, "not_from_sidecar")
    assert counted(metrics) == 1


async def test_whoever_watches_processes_may_look(service: Client, metrics: Metrics) -> None:
    assert (await service.get("/healthz")).status == 200
    assert counted(metrics) == 0


Called = Callable[..., Awaitable[web.Request]]


@pytest.fixture
async def called(settings: Settings, telemetry: Telemetry, metrics: Metrics) -> AsyncIterator[Called]:
    """The request that a peer sees from a service with this secret."""
    seen: list[web.Request] = []

    async def note(request: web.Request) -> web.Response:
        seen.append(request)
        return web.json_response({})

    app = web.Application()
    app.router.add_get("/x", note)
    async with TestServer(app) as server:

        async def call(secret: str | None, peer: str = "identity") -> web.Request:
            peers = {peer: str(server.make_url("")).rstrip("/")}
            told = settings.model_copy(
                update={"peers": peers, "meshed": ("identity",), "secrets": Secrets(sidecar=secret)}
            )
            client = HttpClient(told, telemetry, metrics)
            await client.request(peer, "GET", "/x", headers={"X-Own": "1"})
            await client.close()
            return seen[-1]

        yield call


async def test_calls_go_out_with_the_secret(called: Called) -> None:
    assert (await called("s3cret")).headers.getall(CALLER) == ["s3cret"]


async def test_without_a_mesh_there_is_none(called: Called) -> None:
    assert CALLER not in (await called(None)).headers


async def test_who_is_reached_past_the_sidecar_is_told_no_secret(called: Called) -> None:
    for peer in ("gateway", "payments"):  # where public keys are, and a third party
        assert CALLER not in (await called("s3cret", peer)).headers
