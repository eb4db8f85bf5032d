"""How many requests one connection may carry, on either side, and how its last answer says so."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.gateway.roles.test_exchange import OK, config, get, last, statuses

OLD = b"GET /shop HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"


def limited(address: str, limit: int) -> str:
    return config(address, listener_extra=f", maxRequestsPerConnection: {limit}")


async def test_the_last_answer_says_so_and_the_connection_ends(upstream: Any, gateway: Any) -> None:
    shop = await upstream(OK)
    edge = await gateway(limited(shop.address, 3))
    answers = (await edge.raw(get() * 5)).split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert [b"connection: close\r\n" in one for one in answers] == [False, False, True]
    assert len(shop.seen) == 3  # what came after is for another connection: unanswered, so it may be sent again


async def test_each_connection_counts_for_itself(upstream: Any, gateway: Any) -> None:
    shop = await upstream(OK)
    edge = await gateway(limited(shop.address, 2))
    for _ in range(3):
        assert statuses(await edge.raw(get() * 2)) == [200, 200]


async def test_local_replies_count_too(upstream: Any, gateway: Any) -> None:
    shop = await upstream(OK)
    edge = await gateway(limited(shop.address, 2))
    assert statuses(await edge.raw(get("/none") * 3)) == [404, 404]


async def test_http_10_is_told_like_everybody(upstream: Any, gateway: Any) -> None:
    shop = await upstream(OK)
    edge = await gateway(limited(shop.address, 2))
    first, second = (await edge.raw(OLD * 3)).split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert b"connection: keep-alive\r\n" in first
    assert b"connection: close\r\n" in second


async def test_a_reload_holds_for_open_connections(upstream: Any, gateway: Any) -> None:
    """Counting begins when there is a limit: nothing is counted for listeners without one."""
    shop = await upstream(OK)
    edge = await gateway(config(shop.address))
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.ports["public"])
    for _ in range(4):
        writer.write(get())
        assert b"connection: close" not in await reader.readuntil(b"hello")
    edge.apply(limited(shop.address, 2))
    writer.write(get() * 3)
    assert statuses(await reader.read()) == [200, 200]
    edge.apply(config(shop.address))
    assert statuses(await edge.raw(get() * 4 + last())) == [200] * 5
    writer.close()


@pytest.mark.parametrize(("limit", "connections"), [(0, 1), (1, 6), (4, 2)])
async def test_connections_of_a_cluster(upstream: Any, gateway: Any, limit: int, connections: int) -> None:
    shop = await upstream(OK)
    text = config(shop.address).replace(f'["{shop.address}"]', f'["{shop.address}"], maxRequestsPerConnection: {limit}')
    edge = await gateway(text)
    assert statuses(await edge.raw(get() * 5 + last())) == [200] * 6
    assert (len(shop.seen), shop.connections) == (6, connections)
    assert edge.total("gateway_stale_connection_retries_total") == 0
