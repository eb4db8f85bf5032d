"""The database: transactions, threads, bounds."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sample_services.kit import database as database_module
from sample_services.kit.database import Database
from sample_services.kit.problems import Problem
from sample_services.kit.telemetry import Telemetry

SCHEMA = """
CREATE TABLE IF NOT EXISTS parent (id INTEGER PRIMARY KEY) STRICT;
CREATE TABLE IF NOT EXISTS child (parent INTEGER NOT NULL REFERENCES parent) STRICT;
"""


def seed(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO parent VALUES (1)")


def add(connection: sqlite3.Connection, number: int) -> None:
    connection.execute("INSERT INTO parent VALUES (?)", (number,))


def add_and_fail(connection: sqlite3.Connection, number: int) -> None:
    add(connection, number)
    raise ValueError("after the insert")


def ids(connection: sqlite3.Connection) -> list[int]:
    return [row["id"] for row in connection.execute("SELECT id FROM parent ORDER BY id")]


@pytest.fixture
async def db(tmp_path: Path, telemetry: Telemetry) -> AsyncIterator[Database]:
    database = await Database.open(tmp_path / "orders.db", "orders", telemetry, SCHEMA, seed)
    yield database
    await database.close()


async def test_writes_are_read_and_the_seed_runs_once(db: Database, tmp_path: Path, telemetry: Telemetry) -> None:
    await db.write(add, 2)
    assert await db.read(ids) == [1, 2]
    again = await Database.open(tmp_path / "orders.db", "orders", telemetry, SCHEMA, seed)
    assert await again.read(ids) == [1, 2]
    await again.close()


async def test_an_exception_undoes_the_transaction(db: Database) -> None:
    with pytest.raises(ValueError, match="after the insert"):
        await db.write(add_and_fail, 2)
    assert await db.read(ids) == [1]
    await db.write(add, 3)
    assert await db.read(ids) == [1, 3]


async def test_a_failed_seed_leaves_nothing_behind(tmp_path: Path, telemetry: Telemetry) -> None:
    def bad_seed(connection: sqlite3.Connection) -> None:
        add_and_fail(connection, 9)

    path = tmp_path / "other.db"
    with pytest.raises(ValueError, match="after the insert"):
        await Database.open(path, "orders", telemetry, SCHEMA, bad_seed)
    database = await Database.open(path, "orders", telemetry, SCHEMA, seed)
    assert await database.read(ids) == [1]
    await database.close()


async def test_reads_cannot_write_and_foreign_keys_hold(db: Database) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        await db.read(add, 2)
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        await db.write(lambda c: c.execute("INSERT INTO child VALUES (99)"))
    assert await db.read(ids) == [1]


async def test_a_reader_goes_on_beside_a_writer(db: Database) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def slow(connection: sqlite3.Connection) -> None:
        add(connection, 2)
        inside.set()
        assert go_on.wait(5)

    writing = asyncio.create_task(db.write(slow))
    await asyncio.to_thread(inside.wait, 5)
    assert await db.read(ids) == [1]  # the snapshot before the commit
    go_on.set()
    await writing
    assert await db.read(ids) == [1, 2]


async def test_concurrent_writes_never_meet_a_lock(db: Database) -> None:
    await asyncio.gather(*(db.write(add, number) for number in range(2, 52)))
    assert len(await db.read(ids)) == 51


async def test_too_many_waiting_calls_are_refused(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "MAX_WAITING", 1)
    release = threading.Event()
    first = asyncio.create_task(db.write(lambda _: release.wait(5)))
    await asyncio.sleep(0)  # let it take its place
    with pytest.raises(Problem, match="overloaded"):
        await db.read(ids)
    release.set()
    await first
    assert await db.read(ids) == [1]


async def test_the_query_text_never_holds_parameters(db: Database) -> None:
    texts: list[str] = []

    def look(connection: database_module.Connection) -> None:
        connection.execute("INSERT INTO parent\n   VALUES (?)", (424242,))
        connection.cursor().executemany("INSERT INTO parent VALUES (?)", [(5,), (6,)])
        texts.append(connection.text())

    await db.write(look)  # type: ignore[arg-type]
    assert texts == ["INSERT INTO parent VALUES (?)"]
