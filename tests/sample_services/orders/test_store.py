"""Products and orders in SQLite."""

from __future__ import annotations

import sqlite3

import pytest

from sample_services.orders import store
from sample_services.orders.domain import MAX_ID, NotFoundError, OutOfStockError


def stock(connection: sqlite3.Connection, product_id: int) -> int:
    return store.read_product(connection, product_id).stock


def test_products_come_in_pages_by_id(connection: sqlite3.Connection) -> None:
    assert [product.id for product in store.list_products(connection, 0, 3)] == [1, 2, 3]
    assert [product.id for product in store.list_products(connection, 13, 3)] == [14, 15]


def test_a_batch_holds_what_exists(connection: sqlite3.Connection) -> None:
    assert [product.id for product in store.products_by_id(connection, [3, 1, 99, 1])] == [1, 3]
    assert [order.id for order in store.orders_by_id(connection, [1, 1001, 1002])] == [1002, 1001]


def test_orders_of_one_customer_latest_first(connection: sqlite3.Connection) -> None:
    bobs = store.list_orders(connection, "bob", MAX_ID, 100)
    assert len(bobs) == 20
    assert {order.customer for order in bobs} == {"bob"}
    assert store.list_orders(connection, "bob", bobs[4].id, 3) == bobs[5:8]


def test_twenty_orders_with_items_are_two_queries(connection: sqlite3.Connection) -> None:
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    orders = store.list_orders(connection, None, MAX_ID, 20)
    assert all(order.items for order in orders)
    assert len(statements) == 2


def test_the_items_of_an_order_add_up(connection: sqlite3.Connection) -> None:
    for order in store.list_orders(connection, None, MAX_ID, 100):
        assert order.total == sum(item.quantity * item.unit_price for item in order.items)


def test_stock_is_taken_to_the_last_piece_and_not_below(connection: sqlite3.Connection) -> None:
    store.take_stock(connection, 14, 25)
    assert stock(connection, 14) == 0
    with pytest.raises(OutOfStockError) as refused:
        store.take_stock(connection, 14, 1)
    assert refused.value.facts == {"product_id": 14}
    assert stock(connection, 14) == 0


def test_unknown_ids(connection: sqlite3.Connection) -> None:
    with pytest.raises(NotFoundError):
        store.read_product(connection, 99)
    with pytest.raises(NotFoundError):
        store.read_order(connection, 1)
