"""The queue between database and broker."""

from __future__ import annotations

import sqlite3

from sample_services.orders import outbox
from sample_services.orders.outbox import Backlog


def test_events_wait_in_their_order_until_sent(connection: sqlite3.Connection) -> None:
    for number in range(5):
        outbox.add(connection, f"event {number}", f"2026-01-0{number + 1}")
    assert outbox.backlog(connection) == Backlog(5, "2026-01-01")
    batch = outbox.waiting(connection, 3)
    assert [waiting.event for waiting in batch] == ["event 0", "event 1", "event 2"]
    outbox.mark_sent(connection, [waiting.sequence for waiting in batch], "2026-01-09", "2026-01-08")
    assert [waiting.event for waiting in outbox.waiting(connection, 10)] == ["event 3", "event 4"]
    assert outbox.backlog(connection) == Backlog(2, "2026-01-04")


def test_only_sent_events_are_forgotten(connection: sqlite3.Connection) -> None:
    outbox.add(connection, "sent long ago", "2026-01-01")
    outbox.add(connection, "waiting for even longer", "2025-01-01")
    outbox.mark_sent(connection, [1], "2026-01-02", "2026-01-01")
    outbox.mark_sent(connection, [], "2026-02-02", "2026-02-01")
    assert [row["event"] for row in connection.execute("SELECT event FROM outbox")] == ["waiting for even longer"]
    assert outbox.backlog(connection) == Backlog(1, "2025-01-01")
