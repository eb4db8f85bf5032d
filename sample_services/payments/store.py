"""Payments and the webhooks that tell of them.

The problem: a payment that is stored while its webhook is lost is money that the merchant never hears of. The rule (the
transactional outbox, as in sample_services/orders/outbox.py): the webhook is written in the transaction of the change,
and sent as often as it takes.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from dataclasses import dataclass
from typing import Any, Final

KEEP_S: Final = 7 * 24 * 3600.0
"""How long what was delivered is kept, in seconds."""


@dataclass(frozen=True)
class Payment:
    """What somebody shall pay; `amount` in minor units of `currency`."""

    id: str
    reference: str
    amount: int
    currency: str
    status: str


@dataclass(frozen=True)
class Delivery:
    """A webhook on its way."""

    id: str
    body: str
    attempts: int


_PAYMENT: Final = "SELECT id, reference, amount, currency, status FROM payment"


def create(
    connection: sqlite3.Connection, reference: str, amount: int, currency: str, key: str | None, now: float
) -> Payment:
    """A new payment, or the one that the same Idempotency-Key has made."""
    row = connection.execute(f"{_PAYMENT} WHERE idempotency_key = ?", (key,)).fetchone() if key else None
    if row is not None:
        return Payment(**row)
    made = Payment(f"pay_{secrets.token_hex(16)}", reference, amount, currency, "open")
    connection.execute(
        "INSERT INTO payment VALUES (?, ?, ?, ?, ?, ?, ?)", (made.id, key, reference, amount, currency, "open", now)
    )
    return made


def read(connection: sqlite3.Connection, payment_id: str) -> Payment | None:
    """The payment, if there is one with this id."""
    row = connection.execute(f"{_PAYMENT} WHERE id = ?", (payment_id,)).fetchone()
    return None if row is None else Payment(**row)


def decide(connection: sqlite3.Connection, payment_id: str, status: str, now: float) -> Payment | None:
    """Somebody has paid, or could not; the merchant will be told. What is decided already stays."""
    changed = connection.execute(
        "UPDATE payment SET status = ? WHERE id = ? AND status = 'open'", (status, payment_id)
    ).rowcount
    payment = read(connection, payment_id)
    if changed and payment is not None:
        body = {"type": f"payment.{status}", "timestamp": now, "data": vars(payment)}
        connection.execute(
            "INSERT INTO delivery VALUES (?, ?, 0, ?, 'waiting', ?)",
            (f"msg_{secrets.token_hex(12)}", json.dumps(body, separators=(",", ":")), now, now),
        )
    return payment


def due(connection: sqlite3.Connection, now: float, limit: int) -> list[Delivery]:
    """Webhooks to be tried now, the oldest first."""
    rows = connection.execute(
        "SELECT id, body, attempts FROM delivery WHERE next <= ? ORDER BY next LIMIT ?", (now, limit)
    )
    return [Delivery(**row) for row in rows]


def next_due(connection: sqlite3.Connection) -> float | None:
    """When the next one is due (seconds since 1970); None: nothing waits."""
    found: float | None = connection.execute("SELECT min(next) FROM delivery").fetchone()[0]
    return found


def tried(connection: sqlite3.Connection, delivery_id: str, outcome: str, again: float | None, now: float) -> None:
    """Notes an attempt; `again` is when to try the next one, if there is one."""
    connection.execute(
        "UPDATE delivery SET attempts = attempts + 1, outcome = ?, next = ? WHERE id = ?",
        (outcome, again, delivery_id),
    )
    connection.execute("DELETE FROM delivery WHERE next IS NULL AND created < ?", (now - KEEP_S,))


def deliveries(connection: sqlite3.Connection, limit: int) -> list[dict[str, Any]]:
    """The latest webhooks, for the merchant to look at."""
    rows = connection.execute(
        "SELECT id, body, attempts, outcome FROM delivery ORDER BY created DESC, id LIMIT ?", (limit,)
    )
    return [{**row, "body": json.loads(row["body"])} for row in rows]
