"""Parts fail: the others serve on, the gateway says why, nothing is lost, and all of it heals."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.whole_system
Until = Callable[..., Any]


@pytest.fixture
def stopped(shop: Any) -> Iterator[Callable[[str], None]]:
    """stopped(service): it is down until the test ends."""
    names: list[str] = []

    def stop(name: str) -> None:
        names.append(name)
        shop.gatehouse("stop", name)

    yield stop
    for name in names:
        shop.gatehouse("start", name)


def test_a_stopped_service_is_a_503_with_a_reason_and_the_rest_goes_on(
    shop: Any, alice: str, stopped: Any, until: Until
) -> None:
    stopped("orders")
    answer = shop.send("GET", "/orders/1001", token=alice)
    assert (answer.status, answer.type) == (503, "application/problem+json")
    told = answer.json()
    assert (told["reason"], told["trace_id"]) == ("upstream_connect_failure", answer.trace_id)
    assert str(shop.ports["orders"]) not in answer.body.decode()  # never an upstream's address
    assert shop.send("GET", "/orders/1001").status == 401  # who is asked first has not changed
    assert shop.send("GET", "/products").json()["reason"] == "upstream_connect_failure"

    page = shop.send("GET", "/")
    assert (page.status, page.type) == (200, "text/html")
    assert shop.send("GET", "/profiles/alice", token=alice).status == 200
    query = "{ me { profile { fullName } orders { id } } }"
    partial = shop.send("POST", "/graphql", token=alice, json={"query": query})
    document = partial.json()
    assert document["data"]["me"] is None or document["data"]["me"]["profile"]["fullName"] == "Alice Sample"
    assert "127.0.0.1" not in partial.body.decode()
    assert document["errors"]

    shop.gatehouse("start", "orders")
    until(lambda: shop.send("GET", "/orders/1001", token=alice).status == 200)


def test_without_identity_known_keys_serve_on(shop: Any, alice: str, stopped: Any) -> None:
    stopped("identity")
    assert shop.send("GET", "/orders/1001", token=alice).status == 200
    login = shop.send("POST", "/auth/login", json={"username": "alice", "password": "x"})
    assert (login.status, login.json()["reason"]) == (503, "upstream_connect_failure")


def findings(shop: Any, order: dict[str, Any]) -> list[str]:
    rows = shop.rows("alerts", "SELECT rule FROM finding WHERE order_id = ? ORDER BY rule", order["id"])
    return [rule for (rule,) in rows]


def test_a_suspicious_order_is_found(shop: Any, customer: str, until: Until) -> None:
    plain = shop.order(customer, (5, 1))
    order = shop.order(customer, (6, 20))
    until(lambda: "unusual_quantity" in findings(shop, order))
    assert findings(shop, plain) == []
    told = [line for line in shop.log("alerts") if line.get("order_id") == order["id"]]
    assert {line["message"] for line in told} == {"suspicious order"}
    assert {line["trace_id"] for line in told} == {order["trace_id"]}


def test_kill_9_of_alerts_loses_no_order(shop: Any, customer: str, until: Until) -> None:
    orders = [shop.order(customer, (7, 20))]
    pid = shop.processes()["alerts"]["pid"]
    os.kill(pid, signal.SIGKILL)
    orders += [shop.order(customer, (7, 20)) for _ in range(3)]
    until(lambda: all("unusual_quantity" in findings(shop, order) for order in orders), seconds=30)
    for order in orders:
        assert findings(shop, order).count("unusual_quantity") == 1
    assert shop.processes()["alerts"]["pid"] != pid


async def test_keys_rotate_while_traffic_flows(shop: Any, alice: str, hammering: Any) -> None:
    """Once: what signs next has been published before, so even a verifier that may not ask again yet knows it."""

    def rotate() -> dict[str, Any]:
        answer = shop.send("POST", "/keys/rotate", token=shop.token("admin"), port=shop.ports["internal"])
        assert answer.status == 200, answer
        told: dict[str, Any] = answer.json()
        return told

    def login_and_use(_: int) -> int:
        credentials = {"username": "bob", "password": shop.secrets["users"]["bob"]}
        token = shop.send("POST", "/auth/login", json=credentials).json()["access_token"]
        status: int = shop.send("GET", "/orders", token=token).status
        return status

    before = shop.send("GET", "/auth/jwks.json").json()["keys"]
    async with hammering(f"{shop.url}/orders/1001", alice, pause=0.1, clients=1) as seen:
        assert await asyncio.to_thread(login_and_use, 0) == 200
        told = await asyncio.to_thread(rotate)
        statuses = [await asyncio.to_thread(login_and_use, number) for number in range(10)]
    assert told["active"] in {key["kid"] for key in before}
    assert len(told["published"]) == len(before) + 1
    assert statuses == [200] * 10
    assert seen.keys() == {"200"}
    assert shop.send("GET", "/orders/1001", token=alice).status == 200  # signed with the key that retired
