"""Credential resets: when someone else may hold a user's credentials.

The problem: whoever recovers an account must get the intruder out first, and must not become the intruder. The
rule: starting a reset ends every session at once, and mails the user a code that works once, for 30 minutes;
the old password works until the code is used, or anyone who can start a reset could lock people out (OWASP
Forgot Password Cheat Sheet). The shop has no mail server: its mail is a file in the folder `mail` (mode 0600).
"""

from __future__ import annotations

import hmac
import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sample_services.identity import sessions
from sample_services.identity.audit import Audit
from sample_services.identity.opaque import digest, new_id, new_secret
from sample_services.identity.passwords import Passwords
from sample_services.identity.users import find_user, set_password
from sample_services.kit.database import Database
from sample_services.kit.problems import Problem

LIFETIME_S = 1_800.0


@dataclass(frozen=True)
class Started:
    """A reset that was started; `sessions_ended` is 0 for one that was started before with the same key."""

    id: str
    username: str
    expires_at: float
    sessions_ended: int
    is_new: bool


@dataclass
class Resets:
    """Starts and completes resets; `clock` is seconds since 1970."""

    db: Database
    passwords: Passwords
    audit: Audit
    mail: Path
    clock: Callable[[], float]

    async def start(self, username: str, reason: str, requested_by: str, key: str | None) -> Started:
        """End all of the user's sessions and mail a code. The same Idempotency-Key starts only one reset.

        Raises:
            Problem: 404 `user_not_found`; 409 `idempotency_key_reused` for another user's reset.
        """
        code = new_secret()
        started = await self.db.write(_start, new_id(), key, username, reason, requested_by, code, self.clock())
        if started.is_new:
            _deliver(self.mail, started, code)
            self.audit.note(
                "credential_reset_started",
                subject=username,
                client=requested_by,
                reset=started.id,
                sessions_ended=started.sessions_ended,
            )
        return started

    async def complete(self, reset_id: str, code: str, new_password: str) -> None:
        """Set the new password and end all sessions again.

        Raises:
            Problem: 403 `reset_refused` for an unknown, used, expired reset or a wrong code, told apart to nobody.
        """
        if not await self.db.read(_is_open, reset_id, code, self.clock()):
            raise Problem(403, "reset_refused", "the code is wrong, used or too old")
        password_hash = await self.passwords.hash(new_password)
        username = await self.db.write(_complete, reset_id, code, password_hash, self.clock())
        (self.mail / f"{reset_id}.txt").unlink(missing_ok=True)
        self.audit.note("credential_reset_completed", subject=username, reset=reset_id)

    def clean_mail(self) -> None:
        """Delete mail whose code has expired."""
        for file in self.mail.glob("*.txt"):
            if file.stat().st_mtime < self.clock() - LIFETIME_S:
                file.unlink(missing_ok=True)


def _start(
    connection: sqlite3.Connection,
    reset_id: str,
    key: str | None,
    username: str,
    reason: str,
    requested_by: str,
    code: str,
    now: float,
) -> Started:
    if find_user(connection, username) is None:
        raise Problem(404, "user_not_found", "nobody has this username")
    known = connection.execute(
        "SELECT id, username, expires_at FROM credential_resets WHERE idempotency_key = ?", (key,)
    ).fetchone()
    if known is not None:
        if known["username"] != username:
            raise Problem(409, "idempotency_key_reused", "this key belongs to another user's reset")
        return Started(known["id"], username, known["expires_at"], sessions_ended=0, is_new=False)
    connection.execute(
        "INSERT INTO credential_resets (id, idempotency_key, username, reason, requested_by, code_digest, expires_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (reset_id, key, username, reason, requested_by, digest(code), now + LIFETIME_S),
    )
    ended = sessions.end_all(connection, username, "credential reset", now)
    return Started(reset_id, username, now + LIFETIME_S, ended, is_new=True)


def _open_reset(connection: sqlite3.Connection, reset_id: str, code: str, now: float) -> sqlite3.Row | None:
    row: sqlite3.Row | None = connection.execute(
        "SELECT username, code_digest FROM credential_resets WHERE id = ? AND completed_at IS NULL AND expires_at > ?",
        (reset_id, now),
    ).fetchone()
    return row if row is not None and hmac.compare_digest(row["code_digest"], digest(code)) else None


def _is_open(connection: sqlite3.Connection, reset_id: str, code: str, now: float) -> bool:
    return _open_reset(connection, reset_id, code, now) is not None


def _complete(connection: sqlite3.Connection, reset_id: str, code: str, password_hash: str, now: float) -> str:
    row = _open_reset(connection, reset_id, code, now)  # again, inside the transaction: a code works once
    if row is None:
        raise Problem(403, "reset_refused", "the code is wrong, used or too old")
    username: str = row["username"]
    connection.execute("UPDATE credential_resets SET completed_at = ? WHERE id = ?", (now, reset_id))
    set_password(connection, username, password_hash)
    sessions.end_all(connection, username, "password reset", now)
    return username


def _deliver(mail: Path, started: Started, code: str) -> None:
    mail.mkdir(mode=0o700, parents=True, exist_ok=True)
    text = f"To: {started.username}\nSubject: Reset your password\n\nReset: {started.id}\nCode: {code}\n"
    descriptor = os.open(mail / f"{started.id}.txt", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
