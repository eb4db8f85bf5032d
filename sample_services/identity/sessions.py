"""Sessions and their refresh tokens: rotation with reuse detection (RFC 9700 section 4.14.2).

The problem: a refresh token is worth hours of access, and a stolen one works as well as the real one. The rule:
each is used once and replaced. When one comes a second time, two parties hold it and we cannot tell which is the
thief: the whole family ends, and the user logs in again.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Literal

from sample_services.identity import revocation_outbox
from sample_services.identity.opaque import digest

REFRESH_LIFETIME_S = 12 * 3600.0
SESSION_LIFETIME_S = 7 * 86_400.0
KEEP_ENDED_S = 86_400.0
MAX_SESSIONS_PER_USER = 100

Refusal = Literal["unknown", "reused", "ended", "expired", "wrong_client"]


@dataclass(frozen=True)
class Session:
    """One login; `scope` is what its tokens may carry at most."""

    id: str
    username: str
    client_id: str
    scope: str


@dataclass(frozen=True)
class Refused:
    """Why a refresh token was not taken; the session that it belongs to, if any."""

    why: Refusal
    session: Session | None = None


def open_session(connection: sqlite3.Connection, session: Session, refresh_token: str, now: float) -> None:
    """Begin a session with its first refresh token; the user's oldest sessions beyond 100 are dropped."""
    connection.execute(
        "INSERT INTO sessions (id, username, client_id, scope, started_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)",
        (session.id, session.username, session.client_id, session.scope, now, now + SESSION_LIFETIME_S),
    )
    _add_token(connection, session.id, refresh_token, now)
    connection.execute(
        "DELETE FROM sessions WHERE username = ? AND id NOT IN"
        " (SELECT id FROM sessions WHERE username = ? ORDER BY started_at DESC, rowid DESC LIMIT ?)",
        (session.username, session.username, MAX_SESSIONS_PER_USER),
    )


def rotate(
    connection: sqlite3.Connection, token: str, replacement: str, client_id: str, now: float
) -> Session | Refused:
    """Use up a refresh token and put its replacement in place.

    Refusals are returned, not raised: ending the family must be committed.
    """
    row = _find(connection, token)
    if row is None:
        return Refused("unknown")
    session = Session(row["id"], row["username"], row["client_id"], row["scope"])
    refusal = _refusal(row, client_id, now)
    if refusal == "reused":
        end_session(connection, session.id, "refresh token reused", now)
    if refusal is not None:
        return Refused(refusal, session)
    connection.execute("UPDATE refresh_tokens SET used_at = ? WHERE digest = ?", (now, digest(token)))
    _add_token(connection, session.id, replacement, now)
    return session


def find_session(connection: sqlite3.Connection, refresh_token: str) -> Session | None:
    """The session of a refresh token, whatever its state."""
    row = _find(connection, refresh_token)
    return None if row is None else Session(row["id"], row["username"], row["client_id"], row["scope"])


def is_usable(connection: sqlite3.Connection, refresh_token: str, now: float) -> bool:
    """Whether a refresh token would be taken from its own client."""
    row = _find(connection, refresh_token)
    return row is not None and _refusal(row, row["client_id"], now) is None


def is_active(connection: sqlite3.Connection, session_id: str, now: float) -> bool:
    """Whether the session goes on."""
    row = connection.execute(
        "SELECT 1 FROM sessions WHERE id = ? AND ended_at IS NULL AND expires_at > ?", (session_id, now)
    ).fetchone()
    return row is not None


def end_session(connection: sqlite3.Connection, session_id: str, why: str, now: float) -> None:
    """End one session: none of its tokens is taken any more, nor its access tokens at the gateway."""
    connection.execute(
        "UPDATE sessions SET ended_at = ?, end_reason = ? WHERE id = ? AND ended_at IS NULL",
        (now, why, session_id),
    )
    revocation_outbox.add(connection, "sid", session_id, now)


def end_all(connection: sqlite3.Connection, username: str, why: str, now: float) -> int:
    """End all of a user's sessions, also those that were dropped; returns how many there were."""
    revocation_outbox.add(connection, "sub", username, now)
    return connection.execute(
        "UPDATE sessions SET ended_at = ?, end_reason = ? WHERE username = ? AND ended_at IS NULL",
        (now, why, username),
    ).rowcount


def forget_old(connection: sqlite3.Connection, now: float) -> None:
    """Delete what no decision needs any more; used tokens stay as long as their session, or reuse goes unseen."""
    connection.execute("DELETE FROM sessions WHERE expires_at < ? OR ended_at < ?", (now, now - KEEP_ENDED_S))
    connection.execute("DELETE FROM revoked_tokens WHERE expires_at < ?", (now,))
    revocation_outbox.forget_old(connection, now)
    connection.execute("DELETE FROM credential_resets WHERE expires_at < ?", (now - KEEP_ENDED_S,))


def _refusal(row: sqlite3.Row, client_id: str, now: float) -> Refusal | None:
    if row["client_id"] != client_id:
        return "wrong_client"
    if row["ended_at"] is not None:
        return "ended"
    if row["used_at"] is not None:
        return "reused"
    return "expired" if min(row["expires_at"], row["session_expires_at"]) <= now else None


def _find(connection: sqlite3.Connection, token: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = connection.execute(
        "SELECT s.id, s.username, s.client_id, s.scope, s.ended_at, s.expires_at AS session_expires_at,"
        " t.expires_at, t.used_at FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id WHERE t.digest = ?",
        (digest(token),),
    ).fetchone()
    return row


def _add_token(connection: sqlite3.Connection, session_id: str, token: str, now: float) -> None:
    connection.execute(
        "INSERT INTO refresh_tokens (digest, session_id, expires_at) VALUES (?, ?, ?)",
        (digest(token), session_id, now + REFRESH_LIFETIME_S),
    )
