"""How can a database and a message broker agree? They cannot: one of two writes may always fail alone.

An order that is stored while its event is lost, or an event about an order that was rolled back, are both
lies. The rule (the *transactional outbox* pattern): write the event into a table of the same database, in the
same transaction as the order. Both happen or neither. A relay (`relay.py`) then copies the table to the
broker as often as it takes, so an event may arrive twice but never not at all. Consumers must recognise
repeated event ids.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Waiting:
    """An event that Redis does not have yet, as far as we know."""

    sequence: int
    event: str


@dataclass(frozen=True)
class Backlog:
    """How many events wait, and since when the oldest does (RFC 3339; None: nothing waits)."""

    count: int
    oldest: str | None


def add(connection: sqlite3.Connection, event: str, now: str) -> None:
    """Puts an event at the end of the queue."""
    connection.execute("INSERT INTO outbox (event, created) VALUES (?, ?)", (event, now))


def waiting(connection: sqlite3.Connection, limit: int) -> list[Waiting]:
    """The oldest events not yet sent, in the order of the changes that they tell of."""
    rows = connection.execute(
        "SELECT sequence, event FROM outbox WHERE sent IS NULL ORDER BY sequence LIMIT ?", (limit,)
    )
    return [Waiting(**row) for row in rows]


def mark_sent(connection: sqlite3.Connection, sequences: Sequence[int], now: str, forget: str) -> None:
    """Notes that Redis has these events, and drops those sent before `forget`: the table stays small."""
    connection.executemany("UPDATE outbox SET sent = ? WHERE sequence = ?", [(now, sequence) for sequence in sequences])
    connection.execute("DELETE FROM outbox WHERE sent < ?", (forget,))


def backlog(connection: sqlite3.Connection) -> Backlog:
    """How far the relay is behind."""
    row = connection.execute(
        "SELECT count(*) AS count, min(created) AS oldest FROM outbox WHERE sent IS NULL"
    ).fetchone()
    return Backlog(row["count"], row["oldest"])
