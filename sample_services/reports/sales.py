"""Keeping what was sold, so that nothing counts twice and nothing that was cancelled counts at all.

The problem: the same order is told several times: its event comes again after a crash, its cancellation follows, a
rebuild reads it once more while its event waits in the stream. Adding up what comes would count it each time. The rule:
nothing is added up here. An order is a row, by its id; telling of it again changes nothing; it can become cancelled,
never the other way. So it does not matter who tells what in which order. Sums are made when somebody asks.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

EVENT_LIFE: Final = 7 * 24 * 3600.0
"""Seconds for which an event's id is remembered. Even a later repetition would do no harm (see above)."""


@dataclass(frozen=True)
class Line:
    """Pieces of one product; `unit_price` in minor units."""

    product_id: int
    name: str
    quantity: int
    unit_price: int


@dataclass(frozen=True)
class Sale:
    """An order, as far as reports need it. `day` is `YYYY-MM-DD` in UTC; `total` in minor units of `currency`."""

    order_id: int
    customer: str
    day: str
    total: int
    currency: str
    cancelled: bool
    lines: tuple[Line, ...]


def note_event(connection: sqlite3.Connection, event_id: str, sale: Sale, now: float) -> bool:
    """Works an event through, in one transaction; False when that has been done before."""
    fresh = connection.execute("INSERT INTO event VALUES (?, ?) ON CONFLICT DO NOTHING", (event_id, now))
    if not fresh.rowcount:
        return False
    keep(connection, [sale])
    connection.execute("DELETE FROM event WHERE processed < ?", (now - EVENT_LIFE,))
    return True


def keep(connection: sqlite3.Connection, sales: Iterable[Sale]) -> None:
    """Each order once, as it is told now; but what is cancelled stays cancelled."""
    for sale in sales:
        connection.execute(
            "INSERT INTO sale VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (order_id) DO UPDATE SET "
            "customer = excluded.customer, day = excluded.day, total = excluded.total, currency = excluded.currency, "
            "cancelled = max(cancelled, excluded.cancelled)",
            (sale.order_id, sale.customer, sale.day, sale.total, sale.currency, sale.cancelled),
        )
        connection.executemany(
            "INSERT OR REPLACE INTO sale_item VALUES (?, ?, ?, ?, ?)",
            [(sale.order_id, one.product_id, one.name, one.quantity, one.unit_price) for one in sale.lines],
        )


def rebuild(connection: sqlite3.Connection, sales: Sequence[Sale], time: str) -> int:
    """Takes over all that orders says; how many orders that are.

    An order that came by event meanwhile is newer than the reading and stays; an older one that orders does not know
    goes. One that was cancelled while we read stays cancelled.
    """
    latest = max((sale.order_id for sale in sales), default=0)
    known = json.dumps([sale.order_id for sale in sales])
    connection.execute(
        "DELETE FROM sale WHERE order_id <= ? AND order_id NOT IN (SELECT value FROM json_each(?))", (latest, known)
    )
    keep(connection, sales)
    connection.execute("INSERT OR REPLACE INTO rebuilt VALUES (1, ?, ?)", (time, len(sales)))
    return len(sales)


def rebuilt(connection: sqlite3.Connection) -> str | None:
    """When all orders were last read (RFC 3339); None: never."""
    row = connection.execute("SELECT time FROM rebuilt").fetchone()
    return None if row is None else str(row["time"])
