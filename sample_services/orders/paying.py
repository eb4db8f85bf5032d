"""How an order comes to be paid: by a third party, whose word counts only as far as it can be checked.

The problem: what the provider says (an id, an address to send customers to, that somebody has paid how much) ends up in
our database and in front of our customers. The rule: nothing of it is stored that was not asked for. An answer must be
about the very order, amount and currency; a webhook must be signed, and about a payment that we know, for the amount
that we asked; and it counts once.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from sample_services.orders import store
from sample_services.orders.domain import (
    AlreadyPaidError,
    Caller,
    Order,
    Paid,
    PaymentMismatchError,
    Status,
    UnknownPaymentError,
    WrongStateError,
    check_changer,
    rfc3339,
)

REMEMBER: Final = timedelta(days=7)
"""How long a webhook's id is known: longer than its sender tries again."""


Outcome = Literal["paid", "failed"]


@dataclass(frozen=True)
class Payment:
    """What the provider was asked for. `pay_url` is where the customer pays."""

    provider_id: str
    status: str
    pay_url: str


@dataclass(frozen=True)
class Wanted:
    """A payment to ask for: an open one that is there already, or else how the next one is called."""

    order: Order
    attempt: int
    open: Payment | None

    @property
    def reference(self) -> str:
        """What the provider calls the order."""
        return reference_of(self.order.id)

    @property
    def key(self) -> str:
        """The same for two requests at once, so that the provider makes one payment of them."""
        return f"{self.reference}-{self.attempt}"


@dataclass(frozen=True)
class Notice:
    """What a webhook says, after its signature was verified; `amount` in minor units."""

    webhook_id: str
    provider_id: str
    reference: str
    amount: int
    currency: str
    status: Outcome


def reference_of(order_id: int) -> str:
    """What the provider calls the order."""
    return f"order-{order_id}"


def wanted(connection: sqlite3.Connection, order_id: int, caller: Caller) -> Wanted:
    """What to ask the provider for.

    Raises:
        NotFoundError, NotOwnerError: as for every change.
        WrongStateError: it is cancelled.
        AlreadyPaidError: it is paid.
    """
    order = store.read_order(connection, order_id)
    check_changer(order.customer, caller)
    if order.status is Status.CANCELLED:
        raise WrongStateError("A cancelled order is not paid.", order_id=order.id, order_status=order.status)
    if order.payment is Paid.PAID:
        raise AlreadyPaidError("This order is paid.", order_id=order.id)
    rows = connection.execute(
        "SELECT provider_id, status, pay_url FROM payment WHERE purchase_id = ? ORDER BY created", (order_id,)
    ).fetchall()
    known = [Payment(**row) for row in rows]
    return Wanted(order, len(known) + 1, next((one for one in known if one.status == "open"), None))


def asked(connection: sqlite3.Connection, order_id: int, payment: Payment, now: datetime) -> Payment:
    """Notes what the provider has made; twice is the same as once."""
    connection.execute(
        "INSERT INTO payment VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (payment.provider_id, order_id, payment.status, payment.pay_url, rfc3339(now), rfc3339(now)),
    )
    return payment


def heard(connection: sqlite3.Connection, notice: Notice, now: datetime) -> bool:
    """Takes a webhook's word, in one transaction; False when it was taken before.

    Raises:
        UnknownPaymentError: not ours, or not yet; its sender will try again.
        PaymentMismatchError: it is about something else than we asked for; nothing is noted.
    """
    fresh = connection.execute(
        "INSERT INTO webhook VALUES (?, ?) ON CONFLICT DO NOTHING", (notice.webhook_id, rfc3339(now))
    ).rowcount
    if not fresh:
        return False
    row = connection.execute("SELECT purchase_id FROM payment WHERE provider_id = ?", (notice.provider_id,)).fetchone()
    if row is None:
        raise UnknownPaymentError("There is no such payment here.")
    order = store.read_order(connection, row["purchase_id"])
    asked_for = (reference_of(order.id), order.total, order.currency)
    if (notice.reference, notice.amount, notice.currency) != asked_for:
        raise PaymentMismatchError("This is not what was asked for.", order_id=order.id)
    connection.execute(
        "UPDATE payment SET status = ?, updated = ? WHERE provider_id = ? AND status <> 'paid'",
        (notice.status, rfc3339(now), notice.provider_id),
    )
    connection.execute("DELETE FROM webhook WHERE received < ?", (rfc3339(now - REMEMBER),))
    return True
