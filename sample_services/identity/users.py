"""Users as they are stored."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field

from sample_services.identity.grants import ROLE_SCOPES
from sample_services.kit.problems import Problem

PAGE = 100


@dataclass(frozen=True)
class User:
    """One user; `created_at` is seconds since 1970."""

    username: str
    password_hash: str = field(repr=False)
    role: str
    disabled: bool
    created_at: float

    @property
    def scopes(self) -> frozenset[str]:
        """Everything that a token of this user may carry."""
        return ROLE_SCOPES[self.role]


def find_user(connection: sqlite3.Connection, username: str) -> User | None:
    """The user of this name."""
    row = connection.execute("SELECT * FROM users WHERE username = ?", (username,)).fetchone()
    return None if row is None else _user(row)


def list_users(connection: sqlite3.Connection, after: str) -> list[User]:
    """The next 100 users by name."""
    rows = connection.execute("SELECT * FROM users WHERE username > ? ORDER BY username LIMIT ?", (after, PAGE))
    return [_user(row) for row in rows]


def add_user(connection: sqlite3.Connection, user: User) -> None:
    """Store a new user.

    Raises:
        Problem: 409 `user_exists`.
    """
    try:
        connection.execute(
            "INSERT INTO users (username, password_hash, role, disabled, created_at) VALUES (?, ?, ?, ?, ?)",
            (user.username, user.password_hash, user.role, user.disabled, user.created_at),
        )
    except sqlite3.IntegrityError:
        raise Problem(409, "user_exists", "a user has this name") from None


def set_password(connection: sqlite3.Connection, username: str, password_hash: str) -> None:
    """Replace the password hash."""
    connection.execute("UPDATE users SET password_hash = ? WHERE username = ?", (password_hash, username))


def _user(row: sqlite3.Row) -> User:
    return User(row["username"], row["password_hash"], row["role"], bool(row["disabled"]), row["created_at"])
