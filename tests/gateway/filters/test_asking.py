"""Questions to helpers over a cluster's own connections, against real servers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from gateway.filters.asking import MAX_BYTES, Unanswered, ask
from gateway.testing import Gatehouse, Upstream
from gateway.upstream.cluster import Cluster

Clusters = Callable[..., Cluster]


@pytest.fixture
def helper(gatehouse: Gatehouse) -> Upstream:
    return gatehouse.upstream()


async def test_what_is_sent_and_what_comes_back(helper: Upstream, cluster: Clusters) -> None:
    helper.answer(203, body="yes", headers={"X-Groups": "a", "x-groups": "b"})
    one = cluster(helper.address)
    answer = await ask(one, "POST", "/a%2Cb?x=1", timeout=5, headers={"Authorization": "Basic eA=="}, body=b"token=t")
    assert (answer.status, answer.body, answer.all(b"x-groups")) == (203, b"yes", [b"a", b"b"])
    (got,) = helper.received
    assert (got.method, got.target, got.body) == ("POST", "/a%2Cb?x=1", b"token=t")
    assert got.headers == {
        "host": helper.address, "authorization": "Basic eA==", "accept-encoding": "identity", "content-length": "7",
    }  # fmt: skip


async def test_a_host_of_ones_own(helper: Upstream, cluster: Clusters) -> None:
    await ask(cluster(helper.address), "GET", "/", timeout=5, headers={"host": "shop.example:81"})
    assert helper.received[0].headers["host"] == "shop.example:81"


async def test_connections_are_kept_and_counted(helper: Upstream, cluster: Clusters) -> None:
    one = cluster(helper.address)
    for _ in range(3):
        await ask(one, "GET", "/", timeout=5)
    assert (one.connections, len(one.endpoints[0].idle), one.endpoints[0].active) == (1, 1, 0)
    assert one.endpoints[0].idle[0].requests == 3


async def test_a_kept_connection_that_has_closed_costs_nothing(helper: Upstream, cluster: Clusters) -> None:
    one = cluster(helper.address)
    await ask(one, "GET", "/", timeout=5)
    helper.hang_up(times=1)  # reads the question on the kept connection, and closes it
    assert (await ask(one, "POST", "/", timeout=5, body=b"x")).status == 200
    assert [got.method for got in helper.received] == ["GET", "POST", "POST"]
    helper.hang_up()
    with pytest.raises(Unanswered, match="upstream_reset"):
        await ask(one, "GET", "/", timeout=5)
    assert (one.connections, one.endpoints[0].active) == (0, 0)


async def test_a_fresh_connection_that_closes_is_no_answer(helper: Upstream, cluster: Clusters) -> None:
    helper.hang_up()
    with pytest.raises(Unanswered, match="upstream_reset"):
        await ask(cluster(helper.address), "GET", "/", timeout=5)
    assert len(helper.received) == 1


async def test_endpoints_that_are_not_there_are_passed_over(helper: Upstream, cluster: Clusters) -> None:
    one = cluster("127.0.0.1:1", "127.0.0.1:2", helper.address)
    for _ in range(8):  # whichever the balancer begins with
        assert (await ask(one, "GET", "/", timeout=5)).status == 200
    assert one.endpoints[0].failures + one.endpoints[1].failures > 0
    with pytest.raises(Unanswered, match="upstream_connect_failure"):
        await ask(cluster("127.0.0.1:1", "127.0.0.1:2"), "GET", "/", timeout=5)
    with pytest.raises(Unanswered, match="no_endpoint"):
        await ask(cluster(), "GET", "/", timeout=5)


@pytest.mark.parametrize("framed", [True, False])
async def test_large_answers_are_given_up(helper: Upstream, cluster: Clusters, framed: bool) -> None:
    body = b"x" * (MAX_BYTES + 1)
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    helper.answer(body=body if framed else chunks, headers={} if framed else {"transfer-encoding": "chunked"})
    one = cluster(helper.address)
    with pytest.raises(Unanswered, match=f"more than {MAX_BYTES} bytes"):
        await ask(one, "GET", "/", timeout=5)
    helper.answer(body=b"x" * MAX_BYTES)
    assert len((await ask(one, "GET", "/", timeout=5)).body) == MAX_BYTES


async def test_time_is_bounded_and_nothing_is_left_behind(helper: Upstream, cluster: Clusters) -> None:
    one = cluster(helper.address)
    with helper.hold():
        with pytest.raises(Unanswered, match=r"no answer within 0\.05 s"):
            await ask(one, "GET", "/", timeout=0.05)
        task = asyncio.create_task(ask(one, "GET", "/", timeout=5))
        while not one.endpoints[0].active:
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    while one.connections:  # aborted, so the helper can stop working
        await asyncio.sleep(0.001)
    assert one.endpoints[0].active == 0


async def test_the_bound_of_the_cluster_counts(helper: Upstream, cluster: Clusters) -> None:
    one = cluster(helper.address)
    one.spec = one.spec.model_copy(update={"max_connections": 1, "max_pending": 1})
    with helper.hold() as held:
        first = asyncio.create_task(ask(one, "GET", "/1", timeout=5))
        await asyncio.to_thread(held.wait)
        second = asyncio.create_task(ask(one, "GET", "/2", timeout=5))
        while not one.pending:
            await asyncio.sleep(0)
        with pytest.raises(Unanswered, match="upstream_overflow"):
            await ask(one, "GET", "/3", timeout=5)
        held.release()
        assert [(await first).status, (await second).status] == [200, 200]
    assert [got.path for got in helper.received] == ["/1", "/2"]


async def test_what_could_end_a_line_is_not_sent(helper: Upstream, cluster: Clusters) -> None:
    asked: list[dict[str, Any]] = [{"path": "/a\r\nx: y"}, {"path": "/", "headers": {"a": "b\nc: d"}}]
    for one in asked:
        with pytest.raises(Unanswered, match="a line break"):
            await ask(cluster(helper.address), "GET", timeout=5, **one)
    assert helper.received == []
