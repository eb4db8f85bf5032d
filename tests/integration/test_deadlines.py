"""The client's deadline reaches the second service: after it, nobody works for a client who has left."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.integration.test_reload import edit, history

__all__ = ["edit"]  # the fixture

pytestmark = pytest.mark.whole_system
Until = Callable[..., Any]
PLACE = {"query": "mutation { placeOrder(items: [{productId: 4, quantity: 1}]) { id } }"}
GUARD = "  - name: graphql\n    listeners: [public]\n"
OVER = "service_deadlines_exceeded_total"


@pytest.fixture
def held(shop: Any) -> Iterator[sqlite3.Connection]:
    """Somebody else holds the write lock of orders' database: what wants to write there waits up to 2 s."""
    with closing(sqlite3.connect(shop.state / "data/orders/orders.db", isolation_level=None)) as database:
        yield database


def count(shop: Any, service: str) -> float:
    text = shop.send("GET", "/metrics", port=shop.ports[service]).body.decode()
    found = re.search(rf"^{OVER} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


@pytest.mark.parametrize("propagate", [True, False])
def test_after_the_deadline_the_second_service_runs_no_sql(
    shop: Any, customer: str, edit: Any, held: sqlite3.Connection, until: Until, propagate: bool
) -> None:
    version = shop.admin("GET", "/config").json()["version"]
    told = f"{{request: 600ms, propagate: {str(propagate).lower()}}}"
    edit(GUARD, f"{GUARD}    timeouts: {told}\n")
    until(lambda: (newest := history(shop)[0])["version"] > version and newest["result"] == "accepted")
    before = {service: count(shop, service) for service in ("storefront", "orders")}
    orders = shop.rows("orders", "SELECT count(*) FROM purchase")

    held.execute("BEGIN IMMEDIATE")
    answer = shop.send("POST", "/graphql", token=customer, json=PLACE)
    assert answer.status == 504
    assert re.search(rb'"(request_timeout|deadline_exceeded)"', answer.body)  # gateway's or storefront's: who was first
    if propagate:
        until(lambda: all(count(shop, service) == before[service] + 1 for service in before))
    held.execute("ROLLBACK")

    shop.order(customer, (4, 1))  # one thread writes, so what waited before this one has been done, or never will be
    ran = shop.rows("orders", "SELECT count(*) FROM purchase")[0][0] - orders[0][0] - 1
    assert ran == (0 if propagate else 1)  # without: the order of a client who was told that it failed
