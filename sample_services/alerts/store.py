"""Working through an event twice must be the same as once.

The stream delivers *at least* once, so the same event may come again: after a crash between commit and
acknowledgement, or because the relay sent it twice. The rule: the event's id is written in the same
transaction as the findings. If the id is there already, all of it is; if not, nothing is.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from sample_services.alerts.events import OrderEvent
from sample_services.alerts.rules import Finding, Window, find

EVENT_LIFE: Final = 7 * 24 * 3600.0
"""Seconds. Longer than any event can wait in the stream, shorter than forever."""
FINDING_LIFE: Final = 90 * 24 * 3600.0


def work_through(
    connection: sqlite3.Connection, event: OrderEvent, now: float, trace_id: str | None = None
) -> list[Finding] | None:
    """Notes the event and what is suspicious about it; None when it has been worked through before."""
    fresh = connection.execute(
        "INSERT INTO event VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (event.id, event.type, event.data.customer, event.seconds, now),
    )
    if not fresh.rowcount:
        return None
    findings = list(find(event, lambda window: _count(connection, event, window)))
    connection.executemany(
        """
        INSERT INTO finding (event_id, rule, customer, order_id, observed, allowed, time, found, trace_id)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        [_row(event, finding, now, trace_id) for finding in findings],
    )
    _forget(connection, now)
    return findings


def _count(connection: sqlite3.Connection, event: OrderEvent, window: Window) -> int:
    """Events in the window up to this one, leaving out those that an earlier finding has counted."""
    (count,) = connection.execute(
        """
        SELECT count(*) FROM event
        WHERE customer = :customer AND type = :type AND time <= :time AND time > :time - :seconds AND time >
            (SELECT coalesce(max(time), 0) FROM finding WHERE customer = :customer AND rule = :rule)
        """,
        {
            "customer": event.data.customer,
            "type": window.event_type,
            "time": event.seconds,
            "seconds": window.seconds,
            "rule": window.rule,
        },
    ).fetchone()
    return int(count)


def _row(event: OrderEvent, finding: Finding, now: float, trace_id: str | None) -> tuple[object, ...]:
    data = event.data
    seen = (finding.observed, finding.allowed)
    return (event.id, finding.rule, data.customer, data.order_id, *seen, event.seconds, now, trace_id)


def _forget(connection: sqlite3.Connection, now: float) -> None:
    """Keeps both tables bounded; both deletions use an index."""
    connection.execute("DELETE FROM event WHERE processed < ?", (now - EVENT_LIFE,))
    connection.execute("DELETE FROM finding WHERE found < ?", (now - FINDING_LIFE,))
