"""The shop's first day: the same products and orders in every installation, so that examples can name them.

Order 1001 is alice's and 1002 bob's, both still `placed`. Of the 60 orders exactly 40 are not bob's: what an
attack that reads foreign orders can steal is known beforehand, and can be counted.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sample_services.orders import store
from sample_services.orders.domain import Item, Order, Product, Status, price_up, rfc3339

FIRST_ORDER: Final = 1001
FIRST_DAY: Final = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
_SEED: Final = 2026

PRODUCTS: Final = (
    Product(1, "Garden gate", "Oak, one metre wide, opens both ways.", 24900, "EUR", 40),
    Product(2, "Gate hinge", "Galvanised steel, sold in pairs.", 1890, "EUR", 500),
    Product(3, "Padlock", "Brass, five pins, two keys.", 1450, "EUR", 800),
    Product(4, "Key hook", "Wrought iron, with three screws.", 690, "EUR", 900),
    Product(5, "Door bell", "Rings twice: once outside, once inside.", 3200, "EUR", 150),
    Product(6, "Letter box", "Weatherproof, takes A4 envelopes.", 4590, "EUR", 120),
    Product(7, "House number", "Enamel, any digit from 0 to 9.", 1290, "EUR", 1000),
    Product(8, "Lantern", "For one candle, glass on four sides.", 2750, "EUR", 200),
    Product(9, "Watering can", "Ten litres, zinc.", 3490, "EUR", 180),
    Product(10, "Birdhouse", "Larch, with a door for cleaning.", 2190, "EUR", 220),
    Product(11, "Picket fence", "Two metres, painted white.", 5990, "EUR", 300),
    Product(12, "Rain barrel", "Two hundred litres, with a tap.", 7900, "EUR", 60),
    Product(13, "Door mat", "Coconut fibre, says nothing.", 1990, "EUR", 400),
    Product(14, "Sundial", "Slate; exact when the sun shines.", 8950, "EUR", 25),
    Product(15, "Gatehouse model", "Scale 1 to 50, with a portcullis that moves.", 12900, "EUR", 35),
)

_CUSTOMERS: Final = ("alice",) * 24 + ("bob",) * 20 + ("dave",) * 6 + ("erin",) * 6 + ("frank",) * 4
_STATUSES: Final = (Status.PLACED, Status.SHIPPED, Status.DELIVERED, Status.DELIVERED, Status.CANCELLED)


def seed(connection: sqlite3.Connection, _settings: Any = None) -> None:
    """Fills a new database."""
    connection.executemany(
        "INSERT INTO product VALUES (:id, :name, :description, :price, :currency, :stock)",
        [vars(product) for product in PRODUCTS],
    )
    for order in seed_orders():
        connection.execute(
            "INSERT INTO purchase VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                order.id,
                order.customer,
                order.status,
                order.total,
                order.currency,
                order.created,
                order.updated,
            ),
        )
        store.insert_items(connection, order.id, order.items)


def seed_orders() -> Iterator[Order]:
    """The same 60 orders every time: the random generator is seeded, and the days are fixed."""
    chance = random.Random(_SEED)  # noqa: S311 (made-up orders, no secrets)
    customers = list(_CUSTOMERS)
    chance.shuffle(customers)
    customers.remove("alice")
    customers.remove("bob")
    created = FIRST_DAY
    for position, customer in enumerate(["alice", "bob", *customers]):
        status = Status.PLACED if position < 2 else chance.choice(_STATUSES)
        yield _order(FIRST_ORDER + position, customer, status, _items(chance), created)
        created += timedelta(minutes=chance.randint(40, 600))


def _items(chance: random.Random) -> list[tuple[Product, int]]:
    products = chance.sample(PRODUCTS, chance.randint(1, 4))
    return [(product, chance.choice((1, 1, 1, 2, 3))) for product in products]


def _order(order_id: int, customer: str, status: Status, lines: list[tuple[Product, int]], created: datetime) -> Order:
    items: tuple[Item, ...]
    items, total, currency = price_up(lines)
    updated = created if status is Status.PLACED else created + timedelta(hours=20)
    return Order(order_id, customer, status, total, currency, rfc3339(created), rfc3339(updated), items)
