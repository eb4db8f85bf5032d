"""Credential resets: what a recovery owes to identity.

The problem: recovering a profile changes this database and must start a reset in another service. No transaction
spans both; calling identity first or last loses one of the two when a process dies in between. The rule: the
intent is written in the transaction that restores the profile, and sent in the background until identity has taken
it (a transactional outbox, https://microservices.io/patterns/data/transactional-outbox.html). It may be sent
twice, never zero times; a reset is safe to repeat, and Idempotency-Key lets the receiver see that it is one.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["delivered", "refused"]

_FIRST_DELAY = 0.5
_LONGEST_DELAY = 30.0


@dataclass(frozen=True)
class Reset:
    """One credential reset to start at identity."""

    id: str
    username: str
    reason: str
    requested_by: str
    traceparent: str
    attempts: int = 0


def record(connection: sqlite3.Connection, reset: Reset, now: float) -> None:
    """Write the intent, due at once; `now` is Unix time in seconds."""
    connection.execute(
        "INSERT INTO credential_resets (id, username, reason, requested_by, traceparent, due_at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (reset.id, reset.username, reset.reason, reset.requested_by, reset.traceparent, now),
    )


def next_pending(connection: sqlite3.Connection) -> tuple[float, Reset] | None:
    """The pending reset that is due first, with when it is due."""
    row = connection.execute(
        "SELECT due_at, id, username, reason, requested_by, traceparent, attempts FROM credential_resets"
        " WHERE outcome = 'pending' ORDER BY due_at LIMIT 1"
    ).fetchone()
    return None if row is None else (row["due_at"], Reset(*tuple(row)[1:]))


def settle(connection: sqlite3.Connection, reset_id: str, outcome: Outcome) -> None:
    """No more tries: identity has taken the reset, or refused it for good."""
    connection.execute("UPDATE credential_resets SET outcome = ? WHERE id = ?", (outcome, reset_id))


def postpone(connection: sqlite3.Connection, reset_id: str, due_at: float) -> None:
    """Try again at `due_at`, Unix time in seconds."""
    connection.execute(
        "UPDATE credential_resets SET attempts = attempts + 1, due_at = ? WHERE id = ?", (due_at, reset_id)
    )


def verdict(status: int) -> Outcome | None:
    """What an answer of identity means; None: try again.

    A body or a username that identity refuses will be refused for ever. A refused token (401, 403) is a matter of
    configuration that somebody can repair, so the intent waits for that.
    """
    if 200 <= status < 300:
        return "delivered"
    return "refused" if status in {400, 404, 409, 410, 422} else None


def delay(attempts: int, draw: Callable[[], float]) -> float:
    """Seconds before the next try: exponential back-off, half of it random; `draw` gives [0, 1)."""
    longest = min(_LONGEST_DELAY, _FIRST_DELAY * 2.0 ** min(attempts, 16))
    return longest * (0.5 + draw() / 2)
