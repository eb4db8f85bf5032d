"""Placing and cancelling an order: each one transaction, in which everything happens or nothing does.

Stock, order, event and the remembered answer are written together. When any step says no, its exception rolls
the whole transaction back, so no code here has to undo anything.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Final

from sample_services.orders import events, fairness, outbox, store
from sample_services.orders.domain import (
    Caller,
    KeyReusedError,
    Order,
    Product,
    Status,
    UnknownProductError,
    check_changer,
    price_up,
    rfc3339,
)
from sample_services.orders.events import Stamp

KEY_LIFE: Final = timedelta(hours=24)


@dataclass(frozen=True)
class Placing:
    """A wish to order: pieces by product id, and the client's Idempotency-Key if it gave one."""

    customer: str
    quantities: Mapping[int, int]
    key: str | None = None
    fairly: bool = True
    """Whether a customer's share of what is scarce is looked at."""

    def fingerprint(self) -> str:
        """Equal for equal wishes, however their items were sorted."""
        return hashlib.sha256(json.dumps(sorted(self.quantities.items())).encode()).hexdigest()


@dataclass(frozen=True)
class Placed:
    """The order as it was answered; `replayed` when an earlier request with the same key had placed it."""

    answer: dict[str, Any]
    replayed: bool


def place(connection: sqlite3.Connection, wish: Placing, stamp: Stamp) -> Placed:
    """Places the order, or finds that the same request has already placed it.

    Raises:
        UnknownProductError, OutOfStockError, MixedCurrenciesError, FairShareError: it cannot be placed.
        KeyReusedError: the key belongs to another wish.
    """
    return _once(connection, wish, stamp, lambda: _place(connection, wish, stamp))


def cancel(connection: sqlite3.Connection, order_id: int, caller: Caller, stamp: Stamp) -> Order:
    """Cancels the order and gives its stock back.

    Raises:
        NotFoundError: there is no such order.
        NotOwnerError: it is not the caller's.
        WrongStateError: it is cancelled already, or on its way.
    """
    order = store.read_order(connection, order_id)
    check_changer(order.customer, caller)
    order = order.become(Status.CANCELLED, stamp.now)
    store.save_status(connection, order)
    store.return_stock(connection, order.items)
    outbox.add(connection, events.envelope(events.CANCELLED, order, stamp), rfc3339(stamp.now))
    return order


def _place(connection: sqlite3.Connection, wish: Placing, stamp: Stamp) -> Order:
    now = rfc3339(stamp.now)
    wanted = {product: wish.quantities[product.id] for product in _products(connection, wish)}
    if wish.fairly:
        fairness.check(connection, wish.customer, wanted, stamp.now)
    items, total, currency = price_up(list(wanted.items()))
    for item in items:
        store.take_stock(connection, item.product_id, item.quantity)
    order = store.insert_order(connection, wish.customer, items, total, currency, now)
    outbox.add(connection, events.envelope(events.CREATED, order, stamp), now)
    return order


def _products(connection: sqlite3.Connection, wish: Placing) -> list[Product]:
    """The wanted products, in the order of the wish."""
    found = {product.id: product for product in store.products_by_id(connection, wish.quantities)}
    for product_id in wish.quantities:
        if product_id not in found:
            raise UnknownProductError(f"There is no product {product_id}.", product_id=product_id)
    return [found[product_id] for product_id in wish.quantities]


def _once(connection: sqlite3.Connection, wish: Placing, stamp: Stamp, act: Callable[[], Order]) -> Placed:
    """Answers a repeated request from memory (draft-ietf-httpapi-idempotency-key-header, section 2).

    The answer is stored in the transaction of the order itself, so there is no moment at which a repeated
    request could find the order placed but the key unknown. Refusals are not remembered: trying again is
    right.
    """
    if wish.key is None:
        return Placed(asdict(act()), replayed=False)
    known = connection.execute(
        "SELECT fingerprint, answer FROM idempotency_key WHERE customer = ? AND key = ? AND created >= ?",
        (wish.customer, wish.key, rfc3339(stamp.now - KEY_LIFE)),
    ).fetchone()
    if known is None:
        answer = asdict(act())
        _remember(connection, wish, json.dumps(answer), stamp)
        return Placed(answer, replayed=False)
    if known["fingerprint"] != wish.fingerprint():
        raise KeyReusedError("This Idempotency-Key was used for a different order.")
    return Placed(json.loads(known["answer"]), replayed=True)


def _remember(connection: sqlite3.Connection, wish: Placing, answer: str, stamp: Stamp) -> None:
    """Keeps the answer for `KEY_LIFE`, and forgets older ones, so that the table stays bounded."""
    oldest = rfc3339(stamp.now - KEY_LIFE)
    connection.execute("DELETE FROM idempotency_key WHERE created < ?", (oldest,))
    connection.execute(
        "INSERT INTO idempotency_key VALUES (?, ?, ?, ?, ?)",
        (wish.customer, wish.key, wish.fingerprint(), answer, rfc3339(stamp.now)),
    )
