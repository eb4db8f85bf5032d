"""A seeded orders database in memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from importlib import resources

import pytest

from sample_services.orders.seed import seed


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    """As `Database` opens it: rows by name, foreign keys checked, no transaction of its own."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    connection.executescript(resources.files("sample_services.orders").joinpath("schema.sql").read_text())
    seed(connection)
    yield connection
    connection.close()
