"""Placing and cancelling: everything happens or nothing does."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest

from sample_services.orders import ordering, outbox, store
from sample_services.orders.domain import (
    Caller,
    FairShareError,
    KeyReusedError,
    NotOwnerError,
    OutOfStockError,
    Status,
    UnknownProductError,
    WrongStateError,
)
from sample_services.orders.events import Stamp
from sample_services.orders.ordering import KEY_LIFE, Placing

NOW = datetime(2026, 2, 1, 12, 0, tzinfo=UTC)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ALICE = Caller("alice", frozenset({"customer"}))


def stamp(event_id: str = "e1", after: timedelta = timedelta(0)) -> Stamp:
    return Stamp(NOW + after, event_id, TRACE)


def contents(connection: sqlite3.Connection) -> list[tuple[object, ...]]:
    """All rows that placing an order touches."""
    tables = ("product", "purchase", "purchase_item", "idempotency_key", "outbox")
    return [tuple(row) for table in tables for row in connection.execute(f"SELECT * FROM {table}")]


def in_transaction(connection: sqlite3.Connection, wish: Placing) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        ordering.place(connection, wish, stamp())
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def test_placing_reserves_stock_and_leaves_an_event(connection: sqlite3.Connection) -> None:
    placed = ordering.place(connection, Placing("alice", {3: 2, 1: 1}), stamp())
    assert placed.answer["id"] == 1061
    assert placed.answer["total"] == 2 * 1450 + 24900
    assert [product.stock for product in store.products_by_id(connection, [1, 3])] == [39, 798]
    (waiting,) = outbox.waiting(connection, 10)
    assert json.loads(waiting.event) == {
        "specversion": "1.0",
        "id": "e1",
        "source": "orders",
        "type": "order.created",
        "time": "2026-02-01T12:00:00.000Z",
        "traceparent": TRACE,
        "data": {
            "order_id": 1061,
            "customer": "alice",
            "total": 27800,
            "currency": "EUR",
            "created": "2026-02-01T12:00:00.000Z",
            "items": [
                {"product_id": 3, "name": "Padlock", "quantity": 2, "unit_price": 1450},
                {"product_id": 1, "name": "Garden gate", "quantity": 1, "unit_price": 24900},
            ],
        },
    }


@pytest.mark.parametrize(
    ("quantities", "error"),
    [({1: 1, 2: 501}, OutOfStockError), ({1: 1, 14: 6}, FairShareError), ({1: 1, 99: 1}, UnknownProductError)],
)
def test_a_refused_order_leaves_nothing_behind(
    connection: sqlite3.Connection, quantities: dict[int, int], error: type[Exception]
) -> None:
    before = contents(connection)
    with pytest.raises(error):
        in_transaction(connection, Placing("alice", quantities, key="k"))
    assert contents(connection) == before


def test_a_repeated_request_gets_the_first_answer(connection: sqlite3.Connection) -> None:
    wish = Placing("alice", {1: 1, 3: 2}, key="k")
    first = ordering.place(connection, wish, stamp("e1"))
    before = contents(connection)
    again = ordering.place(connection, Placing("alice", {3: 2, 1: 1}, key="k"), stamp("e2"))
    assert (first.replayed, again.replayed) == (False, True)
    assert again.answer == json.loads(json.dumps(first.answer))
    assert contents(connection) == before


def test_the_same_key_of_another_customer_is_another_key(connection: sqlite3.Connection) -> None:
    ordering.place(connection, Placing("alice", {1: 1}, key="k"), stamp())
    assert not ordering.place(connection, Placing("bob", {2: 1}, key="k"), stamp()).replayed


def test_a_key_is_not_taken_for_another_order(connection: sqlite3.Connection) -> None:
    ordering.place(connection, Placing("alice", {1: 1}, key="k"), stamp())
    with pytest.raises(KeyReusedError):
        ordering.place(connection, Placing("alice", {1: 2}, key="k"), stamp())


def test_keys_are_forgotten_after_a_day(connection: sqlite3.Connection) -> None:
    ordering.place(connection, Placing("alice", {1: 1}, key="k"), stamp())
    later = stamp("e2", KEY_LIFE + timedelta(seconds=1))
    assert not ordering.place(connection, Placing("alice", {1: 2}, key="k"), later).replayed
    assert connection.execute("SELECT count(*) FROM idempotency_key").fetchone()[0] == 1


def test_cancelling_returns_the_stock_and_leaves_an_event(connection: sqlite3.Connection) -> None:
    stock = store.read_product(connection, 3).stock
    order_id = ordering.place(connection, Placing("alice", {3: 2}), stamp("e1")).answer["id"]
    order = ordering.cancel(connection, order_id, ALICE, stamp("e2"))
    assert order.status is store.read_order(connection, order_id).status is Status.CANCELLED
    assert store.read_product(connection, 3).stock == stock
    assert [json.loads(event.event)["type"] for event in outbox.waiting(connection, 10)] == [
        "order.created",
        "order.cancelled",
    ]


def test_cancelling_twice_returns_the_stock_once(connection: sqlite3.Connection) -> None:
    ordering.cancel(connection, 1001, ALICE, stamp("e1"))
    before = contents(connection)
    with pytest.raises(WrongStateError):
        ordering.cancel(connection, 1001, ALICE, stamp("e2"))
    assert contents(connection) == before


def test_nobody_cancels_the_order_of_another(connection: sqlite3.Connection) -> None:
    with pytest.raises(NotOwnerError):
        ordering.cancel(connection, 1002, ALICE, stamp())
    ordering.cancel(connection, 1002, Caller("admin", frozenset({"admin"})), stamp())
