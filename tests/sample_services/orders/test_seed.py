"""What examples, lessons and attacks count on."""

from __future__ import annotations

import sqlite3
from collections import Counter

from sample_services.orders import store
from sample_services.orders.domain import MAX_ID, Status
from sample_services.orders.seed import PRODUCTS, seed_orders


def test_sixty_orders_of_which_forty_are_not_bobs(connection: sqlite3.Connection) -> None:
    orders = store.list_orders(connection, None, MAX_ID, 100)
    assert [order.id for order in orders] == list(range(1060, 1000, -1))
    assert sum(order.customer != "bob" for order in orders) == 40


def test_the_first_two_orders_are_alices_and_bobs_and_can_be_cancelled(
    connection: sqlite3.Connection,
) -> None:
    first, second = store.read_order(connection, 1001), store.read_order(connection, 1002)
    assert (first.customer, second.customer) == ("alice", "bob")
    assert first.status is second.status is Status.PLACED


def test_every_installation_gets_the_same_orders(connection: sqlite3.Connection) -> None:
    assert list(seed_orders()) == list(seed_orders())
    assert store.list_orders(connection, None, MAX_ID, 100) == list(seed_orders())[::-1]
    # Changes to the seed change what lessons print: let them be deliberate.
    assert sum(order.total for order in seed_orders()) == 1880920
    assert Counter(order.status for order in seed_orders()).keys() == set(Status)


def test_products(connection: sqlite3.Connection) -> None:
    assert tuple(store.list_products(connection, 0, 100)) == PRODUCTS
    assert len(PRODUCTS) >= 12


def test_the_next_order_gets_the_next_id(connection: sqlite3.Connection) -> None:
    order = store.insert_order(connection, "alice", (), 1, "EUR", "2026-01-01T00:00:00.000Z")
    assert order.id == 1061
