"""Products and orders in SQLite: plain functions on a connection, for `Database.read` and `Database.write`.

Two habits keep these safe and fast. Values travel as parameters, never inside the SQL text (injection). Lists
travel as one JSON parameter, so that twenty orders with their items are two queries, not twenty-one.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable

from sample_services.orders.domain import Item, NotFoundError, Order, OutOfStockError, Paid, Product, Status

_PRODUCT = "SELECT id, name, description, price, currency, stock FROM product"
_ORDER = """
    SELECT id, customer, status, total, currency, created, updated, CASE
        WHEN EXISTS (SELECT 1 FROM payment WHERE purchase_id = purchase.id AND status = 'paid') THEN 'paid'
        WHEN EXISTS (SELECT 1 FROM payment WHERE purchase_id = purchase.id AND status = 'failed') THEN 'failed'
        ELSE 'unpaid' END AS payment
    FROM purchase
"""


def list_products(connection: sqlite3.Connection, after: int, limit: int) -> list[Product]:
    """Up to `limit` products with ids above `after`, by id."""
    rows = connection.execute(f"{_PRODUCT} WHERE id > ? ORDER BY id LIMIT ?", (after, limit))
    return [Product(**row) for row in rows]


def products_by_id(connection: sqlite3.Connection, ids: Iterable[int]) -> list[Product]:
    """Those of the products that exist, by id."""
    # The only text put in is our own constant.
    query = f"{_PRODUCT} WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id"  # noqa: S608
    return [Product(**row) for row in connection.execute(query, (json.dumps(list(ids)),))]


def read_product(connection: sqlite3.Connection, product_id: int) -> Product:
    """One product.

    Raises:
        NotFoundError: there is none with this id.
    """
    found = products_by_id(connection, [product_id])
    if not found:
        raise NotFoundError(f"There is no product {product_id}.")
    return found[0]


def take_stock(connection: sqlite3.Connection, product_id: int, quantity: int) -> None:
    """Reserves pieces. Test and subtraction are one statement: between two, another buyer could come.

    Raises:
        OutOfStockError: fewer pieces are left; nothing is changed.
    """
    taken = connection.execute(
        "UPDATE product SET stock = stock - ? WHERE id = ? AND stock >= ?", (quantity, product_id, quantity)
    )
    if not taken.rowcount:
        raise OutOfStockError(f"Fewer than {quantity} of product {product_id} are left.", product_id=product_id)


def return_stock(connection: sqlite3.Connection, items: Iterable[Item]) -> None:
    """Gives the pieces of a cancelled order back."""
    connection.executemany(
        "UPDATE product SET stock = stock + ? WHERE id = ?",
        [(item.quantity, item.product_id) for item in items],
    )


def list_orders(connection: sqlite3.Connection, customer: str | None, before: int, limit: int) -> list[Order]:
    """Up to `limit` orders with ids below `before`, latest first; None stands for every customer."""
    if customer is None:
        rows = connection.execute(f"{_ORDER} WHERE id < ? ORDER BY id DESC LIMIT ?", (before, limit))
    else:
        rows = connection.execute(
            f"{_ORDER} WHERE customer = ? AND id < ? ORDER BY id DESC LIMIT ?", (customer, before, limit)
        )
    return _with_items(connection, rows.fetchall())


def orders_by_id(connection: sqlite3.Connection, ids: Iterable[int]) -> list[Order]:
    """Those of the orders that exist, latest first, whoever owns them: the caller checks."""
    query = f"{_ORDER} WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id DESC"  # noqa: S608
    return _with_items(connection, connection.execute(query, (json.dumps(list(ids)),)).fetchall())


def read_order(connection: sqlite3.Connection, order_id: int) -> Order:
    """One order, whoever owns it: the caller checks.

    Raises:
        NotFoundError: there is none with this id.
    """
    found = orders_by_id(connection, [order_id])
    if not found:
        raise NotFoundError(f"There is no order {order_id}.")
    return found[0]


def totals(connection: sqlite3.Connection, from_: str, to: str, currency: str) -> dict[str, int]:
    """Orders that are not cancelled, placed on these days (UTC, both included): how many, and for how much."""
    row = connection.execute(
        """
        SELECT count(*) AS orders, coalesce(sum(total), 0) AS revenue FROM purchase
        WHERE status <> ? AND currency = ? AND substr(created, 1, 10) BETWEEN ? AND ?
        """,
        (Status.CANCELLED, currency, from_, to),
    ).fetchone()
    return dict(row)


def insert_order(
    connection: sqlite3.Connection,
    customer: str,
    items: tuple[Item, ...],
    total: int,
    currency: str,
    now: str,
) -> Order:
    """Writes a placed order; the database gives the id."""
    order_id = connection.execute(
        """
        INSERT INTO purchase (customer, status, total, currency, created, updated)
        VALUES (?, ?, ?, ?, ?, ?)
        """,
        (customer, Status.PLACED, total, currency, now, now),
    ).lastrowid
    assert order_id is not None
    insert_items(connection, order_id, items)
    return Order(order_id, customer, Status.PLACED, total, currency, now, now, items)


def insert_items(connection: sqlite3.Connection, order_id: int, items: Iterable[Item]) -> None:
    """Writes the lines of an order, in their order."""
    connection.executemany(
        "INSERT INTO purchase_item VALUES (?, ?, ?, ?, ?, ?)",
        [
            (order_id, position, item.product_id, item.name, item.quantity, item.unit_price)
            for position, item in enumerate(items)
        ],
    )


def save_status(connection: sqlite3.Connection, order: Order) -> None:
    """Writes what `Order.become` changed."""
    connection.execute(
        "UPDATE purchase SET status = ?, updated = ? WHERE id = ?", (order.status, order.updated, order.id)
    )


def _with_items(connection: sqlite3.Connection, orders: list[sqlite3.Row]) -> list[Order]:
    """The items of all these orders in one query."""
    items: dict[int, list[Item]] = {row["id"]: [] for row in orders}
    rows = connection.execute(
        """
        SELECT purchase_id, product_id, name, quantity, unit_price FROM purchase_item
        WHERE purchase_id IN (SELECT value FROM json_each(?)) ORDER BY purchase_id, position
        """,
        (json.dumps(list(items)),),
    )
    for purchase_id, *values in rows:
        items[purchase_id].append(Item(*values))
    return [
        Order(
            **{**row, "status": Status(row["status"]), "payment": Paid(row["payment"])},
            items=tuple(items[row["id"]]),
        )
        for row in orders
    ]
