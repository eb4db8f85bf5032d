"""A concurrency limit in a whole gateway: whatever an exchange ends with, its place is free again, once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gateway.filters.concurrency_limit import ConcurrencyLimitFilter
from tests.waiting import until

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ASK = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
CONFIG = """
listeners: [{{name: public, port: 0}}]
clusters: [{{name: shop, endpoints: ["{upstream}"]}}]
routes:
  - name: all
    public: true
    backendRefs: [{{cluster: shop}}]
    timeouts: {{request: {deadline}}}
    filters:
      - {{type: ConcurrencyLimit, requests: 1, key: {{type: Route}}}}
      - {{type: RateLimit, requests: {later}, per: 10h}}
"""


class Held:
    """An upstream that answers when told to."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.go = asyncio.Event()
        self.how: Callable[[asyncio.StreamWriter], Awaitable[None]] = self.well

    async def __call__(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.set()
        await self.go.wait()
        await self.how(writer)

    async def well(self, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)

    async def by_a_reset(self, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async def in_the_middle(self, writer: asyncio.StreamWriter) -> None:
        writer.write(OK[:-1])
        await writer.drain()
        writer.transport.abort()


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
async def start(gateway: Any, upstream: Any, held: Held) -> Any:
    shop = await upstream(held)

    async def run(deadline: str = "15s", later: int = 100) -> Any:
        return await gateway(CONFIG.format(upstream=shop.address, deadline=deadline, later=later))

    return run


def under_way(running: Any) -> dict[str, int]:
    one = running.worker.snapshot.filters["all", 0]
    assert isinstance(one, ConcurrencyLimitFilter)
    assert len(one._held) == sum(one.under_way.values())
    return one.under_way


@pytest.mark.parametrize("how", ["well", "by_a_reset", "in_the_middle"])
async def test_an_answer_however_it_ends_frees_the_place(start: Any, held: Held, how: str) -> None:
    running = await start()
    held.how = getattr(held, how)
    first = asyncio.create_task(running.raw(ASK))
    await held.asked.wait()
    assert under_way(running) == {"all": 1}
    refused = await running.raw(ASK)
    assert refused.startswith(b"HTTP/1.1 503")
    problem = json.loads(refused.partition(b"\r\n\r\n")[2])
    assert (problem["reason"], problem["policy"]) == ("concurrency_limited", "test.yaml:10")
    held.go.set()
    try:
        await first
    except ConnectionResetError:
        assert how == "in_the_middle"
    await until(lambda: under_way(running) == {})
    held.how = held.well
    assert (await running.raw(ASK)).startswith(b"HTTP/1.1 200")


async def test_a_client_that_leaves_frees_the_place(start: Any, held: Held) -> None:
    running = await start()
    _, writer = await asyncio.open_connection("127.0.0.1", running.ports["public"])
    writer.write(ASK)
    await held.asked.wait()
    assert under_way(running) == {"all": 1}
    writer.close()
    await until(lambda: under_way(running) == {})


async def test_a_deadline_frees_the_place(start: Any, held: Held) -> None:
    running = await start(deadline="50ms")
    assert (await running.raw(ASK)).startswith(b"HTTP/1.1 504")
    assert under_way(running) == {}


async def test_a_refusal_further_on_frees_the_place(start: Any, held: Held) -> None:
    running = await start(later=1)
    held.go.set()
    assert (await running.raw(ASK)).startswith(b"HTTP/1.1 200")
    assert (await running.raw(ASK)).startswith(b"HTTP/1.1 429")
    assert under_way(running) == {}


async def test_a_reload_keeps_the_count_where_the_limit_is_the_same(start: Any, held: Held) -> None:
    running = await start()
    first = asyncio.create_task(running.raw(ASK))
    await held.asked.wait()
    spec = running.worker.snapshot.spec
    running.worker.apply(spec.model_copy(update={"drain_timeout": 1.0}), {}, 2)
    assert under_way(running) == {"all": 1}
    held.go.set()
    await first
    assert under_way(running) == {}
