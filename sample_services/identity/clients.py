"""OAuth 2 clients: programs that prove who they are with a secret (RFC 6749 section 2.3)."""

from __future__ import annotations

import hmac
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from sample_services.identity.grants import CLIENT_SCOPES, OUTSIDE_CLIENTS, scope_text
from sample_services.identity.opaque import digest


@dataclass(frozen=True)
class Client:
    """One confidential client."""

    client_id: str
    scopes: frozenset[str]
    may_introspect: bool


def authenticate(connection: sqlite3.Connection, client_id: str, secret: str) -> Client | None:
    """The client, if the secret is its own; an unknown client costs the same work as a wrong secret."""
    row = connection.execute("SELECT * FROM clients WHERE client_id = ?", (client_id,)).fetchone()
    expected = row["secret_digest"] if row is not None else bytes(32)
    if not hmac.compare_digest(digest(secret), expected) or row is None:
        return None
    return Client(row["client_id"], frozenset(row["scopes"].split()), bool(row["may_introspect"]))


def replace_clients(connection: sqlite3.Connection, secrets: Mapping[str, str]) -> None:
    """Make these the clients, with the rights of the table in `grants`; others are gone."""
    connection.execute("DELETE FROM clients")
    connection.executemany(
        "INSERT INTO clients (client_id, secret_digest, scopes, may_introspect) VALUES (?, ?, ?, ?)",
        [
            (name, digest(secret), scope_text(CLIENT_SCOPES.get(name, frozenset())), name not in OUTSIDE_CLIENTS)
            for name, secret in secrets.items()
        ],
    )
