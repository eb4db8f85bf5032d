"""How long the caller waits: read, kept, passed on, and the end of the work."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from sample_services.kit import deadline
from sample_services.kit.client import HttpClient
from sample_services.kit.database import Database
from sample_services.kit.deadline import HEADER, DeadlineExceeded
from sample_services.kit.metrics import Metrics
from sample_services.kit.observe import Observer
from sample_services.kit.settings import Settings
from sample_services.kit.telemetry import Telemetry


@pytest.mark.parametrize(
    ("values", "seconds"),
    [
        (["1500"], 1.5), ([], None), (["0"], None), (["-1"], None), (["1e3"], None), (["1500", "1500"], None),
        (["٣"], None), (["9" * 10], None),
    ],
)  # fmt: skip
def test_what_the_header_says(values: list[str], seconds: float | None) -> None:
    assert deadline.stated(values) == seconds


def test_it_holds_in_its_block_only() -> None:
    assert deadline.left() is None
    with deadline.within(60):
        assert 59 < (deadline.left() or 0) <= 60
        with deadline.within(0), pytest.raises(DeadlineExceeded):
            deadline.left()
    assert deadline.ends() is None


async def test_what_many_wait_for_outlives_who_began_it() -> None:
    seen: list[float | None] = []
    done = asyncio.Event()

    async def fetch() -> None:
        seen.append(deadline.ends())
        await asyncio.sleep(0)
        done.set()

    async def ask() -> None:
        with deadline.within(0.001):
            await deadline.apart(fetch())

    asking = asyncio.create_task(ask())
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait_for(done.wait(), 5)
    assert seen == [None]


@pytest.fixture
async def service(metrics: Metrics, telemetry: Telemetry) -> AsyncIterator[tuple[TestClient[Any, Any], list[float]]]:
    """A server that answers /quick at once and /slow never; how much time its handlers saw."""
    seen: list[float] = []

    async def quick(_: web.Request) -> web.Response:
        seen.append(deadline.left() or 0.0)
        return web.Response(text="done")

    async def slow(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    async def late(_: web.Request) -> web.Response:
        time.sleep(0.06)  # noqa: ASYNC251 - something that cannot be interrupted
        return web.Response(text="for nobody")

    app = web.Application(middlewares=[Observer(telemetry, metrics).middleware()])
    app.router.add_get("/quick", quick)
    app.router.add_get("/slow", slow)
    app.router.add_get("/late", late)
    async with TestClient(TestServer(app)) as client:
        yield client, seen


async def test_a_handler_has_no_longer_than_its_caller_waits(service: Any, metrics: Metrics) -> None:
    client, seen = service
    assert (await client.get("/quick", headers={HEADER: "5000"})).status == 200
    assert (await client.get("/quick")).status == 200
    assert (4 < seen[0] <= 5, seen[1]) == (True, 0.0)
    assert b"service_deadlines_exceeded_total 0.0" in metrics.exposition("")[0]
    for path in ("/slow", "/late"):
        async with asyncio.timeout(5):
            answer = await client.get(path, headers={HEADER: "50"})
        assert (answer.status, (await answer.json())["reason"]) == (504, "deadline_exceeded")
    assert b"service_deadlines_exceeded_total 2.0" in metrics.exposition("")[0]


async def test_calls_onwards_get_what_is_left(settings: Settings, metrics: Metrics, telemetry: Telemetry) -> None:
    seen: list[web.Request] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request)
        if request.path == "/slow":
            await asyncio.Event().wait()
        return web.Response()

    app = web.Application()
    app.router.add_get("/{any}", answer)
    async with TestServer(app) as server:
        told = settings.model_copy(update={"peers": {"orders": str(server.make_url("")).rstrip("/")}})
        client = HttpClient(told, telemetry, metrics)
        await client.request("orders", "GET", "/a")
        with deadline.within(0.5):
            await client.request("orders", "GET", "/b", headers={"X-Own": "1"})
        with deadline.within(0.05), pytest.raises(DeadlineExceeded):
            await client.request("orders", "GET", "/slow")
        with deadline.within(0), pytest.raises(DeadlineExceeded):
            await client.request("orders", "GET", "/never")
        await client.close()
    assert [request.path for request in seen] == ["/a", "/b", "/slow"]
    waits = [int(request.headers[HEADER]) for request in seen]
    assert waits[0] == 5000
    assert 400 <= waits[1] <= 500
    assert waits[2] <= 50
    assert seen[1].headers["X-Own"] == "1"


async def test_sql_that_nobody_waits_for_is_not_begun(tmp_path: Path, telemetry: Telemetry) -> None:
    ran: list[str] = []

    def note(_: sqlite3.Connection) -> None:
        ran.append("sql")

    path = tmp_path / "d.db"
    database = await Database.open(path, "orders", telemetry, "CREATE TABLE a (b)", lambda _: None)
    with deadline.within(0), pytest.raises(DeadlineExceeded):
        await database.read(note)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with deadline.within(0.05):
            waiting = asyncio.create_task(database.write(note))
        await asyncio.sleep(0.1)  # the deadline passes while SQLite waits for the lock
        other.execute("ROLLBACK")
        with pytest.raises(DeadlineExceeded):
            await waiting
    assert ran == []
    with deadline.within(5):
        await database.write(note)
    assert ran == ["sql"]
    await database.close()
