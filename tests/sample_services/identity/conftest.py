"""An identity database in memory, as the service sees it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from importlib import resources

import pytest

from sample_services.identity.users import User, add_user


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    connection.executescript(resources.files("sample_services.identity").joinpath("schema.sql").read_text())
    for username in ("alice", "bob"):
        add_user(connection, User(username, "hash", "customer", disabled=False, created_at=0.0))
    yield connection
    connection.close()
