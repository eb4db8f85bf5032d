"""Keys, demo users and clients, with the secrets of this installation.

The problem: a default password is the first thing an attacker tries. The rule: nobody has one. Users and clients
come from the installation's generated secrets; without those there are none.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Mapping

from sample_services.identity.clients import replace_clients
from sample_services.identity.grants import USER_ROLES
from sample_services.identity.keyring import create_keys
from sample_services.identity.passwords import Passwords
from sample_services.identity.users import User, add_user, find_user
from sample_services.kit.database import Database
from sample_services.kit.settings import Settings


def seed(connection: sqlite3.Connection, settings: Settings) -> None:
    """The first start only: two signing keys."""
    create_keys(connection, settings.data_dir / "keys", time.time())


async def adopt(db: Database, passwords: Passwords, settings: Settings) -> None:
    """Every start: clients as the installation has them now; users that are missing (never a changed password)."""
    secrets = settings.secrets
    missing = await db.read(_missing, sorted(secrets.users))
    hashes = await asyncio.gather(*(passwords.hash(secrets.users[username]) for username in missing))
    await db.write(_adopt, dict(zip(missing, hashes, strict=True)), secrets.clients)


def _missing(connection: sqlite3.Connection, usernames: list[str]) -> list[str]:
    return [username for username in usernames if find_user(connection, username) is None]


def _adopt(connection: sqlite3.Connection, hashes: dict[str, str], clients: Mapping[str, str]) -> None:
    replace_clients(connection, clients)
    for username in _missing(connection, sorted(hashes)):  # again: another copy may have been faster
        password_hash = hashes[username]
        role = USER_ROLES.get(username, "customer")
        add_user(connection, User(username, password_hash, role, disabled=False, created_at=time.time()))
