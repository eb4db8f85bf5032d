"""Connections of a cluster: given at once, opened, waited for, handed on, let go."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest

from gateway.http.client import ClientConnection
from gateway.http.messages import Request
from gateway.spec.models import Cluster as ClusterSpec
from gateway.upstream.cluster import Cluster, Unavailable
from gateway.upstream.endpoint import Endpoint, split_address
from gateway.upstream.outliers import Outlier


class Waiter:
    """An exchange that only takes what it is given."""

    request = Request("GET", "/", "", [], {}, "a")

    def __init__(self) -> None:
        self.given: asyncio.Future[tuple[ClientConnection, Endpoint] | str] = asyncio.get_running_loop().create_future()

    def connected(self, connection: ClientConnection, endpoint: Endpoint) -> None:
        self.given.set_result((connection, endpoint))

    def connect_failed(self, reason: str, endpoint: Endpoint | None) -> None:
        self.given.set_result(reason)


def make(addresses: list[str], **fields: Any) -> Cluster:
    return Cluster(ClusterSpec(name="shop", endpoints=tuple(addresses), **fields), addresses, lambda: 0.0, Random(3))


async def take(cluster: Cluster) -> tuple[ClientConnection, Endpoint]:
    waiter = Waiter()
    taken = cluster.acquire(waiter)
    given = taken or await waiter.given
    assert not isinstance(given, str)
    return given


async def test_a_released_connection_is_given_at_once(upstream: Any) -> None:
    shop = await upstream(b"")
    cluster = make([shop.address])
    connection, endpoint = await take(cluster)
    assert (endpoint.active, endpoint.open) == (1, 1)
    endpoint.released(connection, reusable=True)
    assert (endpoint.active, len(endpoint.idle)) == (0, 1)
    assert cluster.acquire(Waiter()) == (connection, endpoint)
    connection.cancel()
    await asyncio.sleep(0.01)
    assert (endpoint.active, endpoint.open) == (0, 0)


async def test_waiting_is_bounded_and_in_order(upstream: Any) -> None:
    shop = await upstream(b"")
    cluster = make([shop.address], max_connections=1, max_pending=2)
    connection, endpoint = await take(cluster)
    first, second = Waiter(), Waiter()
    assert cluster.acquire(first) is None
    assert cluster.acquire(second) is None
    with pytest.raises(Unavailable, match="upstream_overflow"):
        cluster.acquire(Waiter())
    endpoint.released(connection, reusable=True)
    assert first.given.result() == (connection, endpoint)
    assert not second.given.done()
    connection.cancel()  # the connection is lost: the next one opens another
    given = await asyncio.wait_for(second.given, 5)
    assert not isinstance(given, str)
    given[0].cancel()


async def test_a_connection_kept_for_another_endpoint_makes_room(upstream: Any) -> None:
    one, other = await upstream(b""), await upstream(b"")
    cluster = make([one.address, other.address], max_connections=1, max_pending=0)
    first, second = cluster.endpoints
    waiter = Waiter()
    assert cluster.acquire(waiter, wanted=first) is None
    given = await waiter.given
    assert given[1] is first
    first.released(given[0], reusable=True)  # type: ignore[arg-type]
    waiter = Waiter()
    assert cluster.acquire(waiter, wanted=second) is None
    given = await asyncio.wait_for(waiter.given, 5)
    assert given[1] is second
    assert (first.open, first.idle, second.open) == (0, [], 1)
    with pytest.raises(Unavailable, match="upstream_overflow"):
        cluster.acquire(Waiter(), wanted=first)
    given[0].cancel()  # type: ignore[union-attr]


async def test_a_connection_of_one_that_went_bad_is_not_handed_on(upstream: Any) -> None:
    bad, good = await upstream(b""), await upstream(b"")
    cluster = make([bad.address, good.address], max_connections=1)
    first, second = cluster.endpoints
    waiter = Waiter()
    cluster.acquire(waiter, wanted=first)
    given = await waiter.given
    assert not isinstance(given, str)
    waiting = Waiter()
    assert cluster.acquire(waiting, wanted=first) is None
    first.outlier = Outlier(until=1.0)
    cluster.reconsider(first)
    first.released(given[0], reusable=True)
    after = await asyncio.wait_for(waiting.given, 5)
    assert not isinstance(after, str)
    assert after[1] is second
    after[0].cancel()


async def test_those_that_wait_for_endpoints_that_went_get_to_know_it(upstream: Any) -> None:
    shop = await upstream(b"")
    cluster = make([shop.address], max_connections=1)
    connection, _ = await take(cluster)
    waiting = [Waiter(), Waiter()]
    assert [cluster.acquire(one) for one in waiting] == [None, None]
    cluster.replace_endpoints([])
    assert cluster.connections == 1
    connection.cancel()
    assert [await asyncio.wait_for(one.given, 5) for one in waiting] == ["no_endpoint", "no_endpoint"]


@pytest.mark.parametrize("how", [{}, {"wanted": 0}, {"avoid": 0}])
async def test_requests_in_flight_are_bounded_whoever_is_asked_for(upstream: Any, how: dict[str, int]) -> None:
    shop = await upstream(b"")
    cluster = make([shop.address, shop.address.replace("127.0.0.1", "localhost")], max_requests=1)
    (endpoint, _) = cluster.endpoints
    connection, _ = await take(cluster)
    asked: dict[str, Any] = {name: endpoint if name == "wanted" else [endpoint] for name in how}
    with pytest.raises(Unavailable, match="upstream_overflow"):
        cluster.acquire(Waiter(), **asked)
    connection.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert cluster.requests == 0


async def test_one_that_no_longer_wants_is_forgotten(upstream: Any) -> None:
    shop = await upstream(b"")
    cluster = make([shop.address], max_connections=1)
    connection, endpoint = await take(cluster)
    gone = Waiter()
    cluster.acquire(gone)
    cluster.forget(gone)
    endpoint.released(connection, reusable=True)
    assert not gone.given.done()
    assert endpoint.idle == [connection]
    cluster.retire()


async def test_no_endpoint_and_no_listener(unused_tcp_port: int) -> None:
    with pytest.raises(Unavailable, match="no_endpoint"):
        make([]).acquire(Waiter())
    waiter = Waiter()
    cluster = make([f"127.0.0.1:{unused_tcp_port}"])
    assert cluster.acquire(waiter) is None
    assert await waiter.given == "upstream_connect_failure"
    assert cluster.endpoints[0].failures == 1
    assert not cluster.endpoints[0].healthy
    assert cluster.connections == 0


async def test_a_retired_cluster_keeps_nothing(upstream: Any) -> None:
    shop = await upstream(b"")
    cluster = make([shop.address])
    busy, endpoint = await take(cluster)
    cluster.retire()
    assert not busy.transport.is_closing()
    endpoint.released(busy, reusable=True)
    assert busy.transport.is_closing()


async def test_bytes_that_nobody_asked_for_close_a_kept_connection(upstream: Any) -> None:
    async def chatty(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")

    class Caller(Waiter):
        def answer_head(self, *_: Any) -> None:
            done.set()

    done = asyncio.Event()
    shop = await upstream(chatty)
    cluster = make([shop.address])
    connection, endpoint = await take(cluster)
    request = Request("GET", "/", "", [], {}, "a")
    connection.send(Caller(), request, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", end=True)  # type: ignore[arg-type]
    await asyncio.wait_for(done.wait(), 5)
    assert connection.transport.is_closing()
    assert endpoint.idle == []


@pytest.mark.parametrize(
    ("address", "parts"),
    [("127.0.0.1:80", ("127.0.0.1", 80)), ("[::1]:81", ("::1", 81)), ("localhost:82", ("localhost", 82))],
)
def test_addresses(address: str, parts: tuple[str, int]) -> None:
    assert split_address(address) == parts


async def test_who_stops_an_endpoint_learns_whether_it_is_still_in_use(upstream: Any) -> None:
    shop, other = await upstream(b""), await upstream(b"")
    cluster = make([shop.address], max_connections=1)
    connection, endpoint = await take(cluster)
    waiting = Waiter()
    assert cluster.acquire(waiting) is None
    assert cluster.leaving(shop.address) == 0  # it is an endpoint like any other
    cluster.retire()
    assert cluster.had(shop.address)
    assert not cluster.had(other.address)
    assert cluster.leaving(shop.address) == 2  # the request in flight, and the one that waits
    assert cluster.leaving(other.address) == 0
    cluster.forget(waiting)
    endpoint.released(connection, reusable=True)
    await asyncio.sleep(0.01)
    assert cluster.leaving(shop.address) == 0
