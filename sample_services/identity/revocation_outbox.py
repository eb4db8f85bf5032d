"""What was taken back and must be told: the table between identity's database and Redis.

The problem: a token that is revoked in the database and not in Redis is still good at the gateway. The rule (the
transactional outbox, see sample_services/orders/outbox.py): whoever revokes writes a row here in the same transaction;
`revocation_relay` publishes it as often as it takes. A row stays until no token can be left that it concerns: should
Redis lose what it had, all of it goes out again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

ACCESS_LIFETIME_S = 600
MAX_LEEWAY_S = 60.0
"""The largest that a verifier may give."""

Claim = Literal["jti", "sid", "sub"]


@dataclass(frozen=True)
class Waiting:
    """A revocation that Redis does not have yet, as far as we know."""

    claim: str
    value: str
    expires_at: float
    created_at: float

    def fields(self) -> dict[Any, Any]:
        """The entry of the stream (gateway/filters/revocations.py reads it); times are seconds since 1970."""
        fields = {"claim": self.claim, "value": self.value, "exp": repr(self.expires_at), "at": repr(self.created_at)}
        return fields | ({"before": repr(self.created_at)} if self.claim == "sub" else {})


@dataclass(frozen=True)
class Backlog:
    """How many revocations wait, and since when the oldest does (seconds since 1970; None: nothing waits)."""

    count: int
    oldest: float | None


def add(connection: sqlite3.Connection, claim: Claim, value: str, now: float, expires: float | None = None) -> None:
    """Tell the gateway that these tokens are good no more; of a `sub` all that were issued until `now`.

    `expires` is the end of the last of them; None: as if it had been issued this moment.
    """
    ends = (now + ACCESS_LIFETIME_S if expires is None else expires) + MAX_LEEWAY_S
    connection.execute(
        "INSERT INTO revocations (claim, value, expires_at, created_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (claim, value) DO UPDATE SET expires_at = max(expires_at, excluded.expires_at),"
        " created_at = excluded.created_at, published_as = NULL",
        (claim, value, ends, now),
    )


def waiting(connection: sqlite3.Connection, now: float, limit: int) -> list[Waiting]:
    """Those that still matter, the oldest first."""
    rows = connection.execute(
        "SELECT claim, value, expires_at, created_at FROM revocations"
        " WHERE published_as IS NULL AND expires_at > ? ORDER BY created_at LIMIT ?",
        (now, limit),
    )
    return [Waiting(**row) for row in rows]


def mark_published(connection: sqlite3.Connection, published: Sequence[tuple[Waiting, str]]) -> None:
    """Note that Redis has these, and as which entry; one that has changed since waits again."""
    connection.executemany(
        "UPDATE revocations SET published_as = ? WHERE claim = ? AND value = ? AND created_at = ?",
        [(entry, one.claim, one.value, one.created_at) for one, entry in published],
    )


def latest_published(connection: sqlite3.Connection, now: float) -> str | None:
    """The entry that Redis must still have, if it has lost nothing."""
    row = connection.execute(
        "SELECT published_as FROM revocations WHERE published_as IS NOT NULL AND expires_at > ?"
        " ORDER BY created_at DESC LIMIT 1",
        (now,),
    ).fetchone()
    return None if row is None else str(row["published_as"])


def publish_again(connection: sqlite3.Connection) -> int:
    """Redis has lost something: everything waits again; returns how much that is."""
    return connection.execute("UPDATE revocations SET published_as = NULL WHERE published_as IS NOT NULL").rowcount


def backlog(connection: sqlite3.Connection, now: float) -> Backlog:
    """How far the relay is behind."""
    row = connection.execute(
        "SELECT count(*) AS count, min(created_at) AS oldest FROM revocations"
        " WHERE published_as IS NULL AND expires_at > ?",
        (now,),
    ).fetchone()
    return Backlog(row["count"], row["oldest"])


def forget_old(connection: sqlite3.Connection, now: float) -> None:
    """Delete what no token can be left of."""
    connection.execute("DELETE FROM revocations WHERE expires_at < ?", (now,))
