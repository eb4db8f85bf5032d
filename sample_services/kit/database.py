"""SQLite for one service: one writer, a few readers, none of them on the event loop.

The problem: SQLite has one writer at a time and blocks while it works; called from the event loop it stops every
request, and two writers meet "database is locked". The rule: all writes go through one thread, each as one
BEGIN IMMEDIATE transaction, so they never wait for each other inside SQLite (those of other copies of the service do,
for up to two seconds); reads run beside them on WAL
snapshots. The queue is bounded: a service that cannot keep up says so. What has waited in it for longer than its
caller waits is not begun (see `deadline`).
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from opentelemetry.trace import Span, SpanKind

from sample_services.kit import deadline
from sample_services.kit.problems import Problem
from sample_services.kit.telemetry import Telemetry

READERS = 2
MAX_WAITING = 256
MAX_QUERY_TEXT = 2_048

P = ParamSpec("P")
T = TypeVar("T")


class Database:
    """The service's own database file; open it with `Database.open`.

    A function that is passed in gets the connection first and runs plain sqlite3 code; what it returns is
    returned, what it raises is raised and undoes its transaction. A cancelled caller does not stop the function.
    """

    def __init__(self, path: Path, service: str, telemetry: Telemetry) -> None:
        self._path = path
        self._service = service
        self._telemetry = telemetry
        self._waiting = 0
        self._local = threading.local()
        self._connections: list[Connection] = []
        self._writer = ThreadPoolExecutor(1, f"{service}-writer")
        self._readers = ThreadPoolExecutor(READERS, f"{service}-reader")

    @classmethod
    async def open(
        cls,
        path: Path,
        service: str,
        telemetry: Telemetry,
        schema: str,
        seed: Callable[[sqlite3.Connection], None],
    ) -> Database:
        """Open or create the file, bring its schema up and, only when it is new, seed it: one transaction."""
        database = cls(path, service, telemetry)
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(database._writer, database._prepare, schema, seed)
        except BaseException:
            await database.close()
            raise
        return database

    async def read(self, fn: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `fn(connection, *args)` on one snapshot; writing in it raises sqlite3.OperationalError.

        Raises:
            Problem: 503 `overloaded` when 256 calls are waiting already; 504 when the caller no longer waits.
        """
        return await self._run("read", self._readers, lambda c: fn(c, *args, **kwargs), fn)

    async def write(self, fn: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `fn(connection, *args)` in one BEGIN IMMEDIATE transaction, committed when this returns.

        Raises:
            Problem: 503 `overloaded` when 256 calls are waiting already; 504 when the caller no longer waits.
        """
        return await self._run("write", self._writer, lambda c: fn(c, *args, **kwargs), fn)

    async def ping(self) -> None:
        """Raises if the database cannot be read: a readiness check."""
        await self.read(_select_one)

    async def close(self) -> None:
        """Finish what is queued, then close every connection."""
        await asyncio.to_thread(self._close)

    async def _run(
        self, kind: str, pool: ThreadPoolExecutor, work: Callable[[Connection], T], fn: Callable[..., Any]
    ) -> T:
        if self._waiting >= MAX_WAITING:
            raise Problem(503, "overloaded", "too many database calls are waiting", headers={"Retry-After": "1"})
        self._waiting += 1
        name = getattr(fn, "__name__", "call")
        attributes = {
            "db.system.name": "sqlite",
            "db.namespace": self._service,
            "db.operation.name": name,
        }
        started = time.perf_counter()
        try:
            with self._telemetry.span(
                f"{self._service} db.{kind} {name}", SpanKind.CLIENT, attributes=attributes
            ) as span:
                return await asyncio.get_running_loop().run_in_executor(
                    pool, self._transact, kind, work, span, deadline.ends()
                )
        finally:
            self._waiting -= 1
            self._telemetry.metrics.db_duration.labels(name).observe(time.perf_counter() - started)

    def _transact(self, kind: str, work: Callable[[Connection], T], span: Span, ends: float | None) -> T:
        deadline.check(ends)
        connection = self._connection(kind)
        connection.statements.clear()
        _begin(connection, kind)
        try:
            deadline.check(ends)  # another process' lock may have kept us for two seconds
            result = work(connection)
            connection.execute("COMMIT")
            return result
        except BaseException:
            connection.rollback()
            raise
        finally:
            span.set_attribute("db.query.text", connection.text())

    def _connection(self, kind: str) -> Connection:
        """This thread's own connection."""
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = _connect(self._path)
            self._connections.append(connection)
            if kind == "read":
                connection.execute("PRAGMA query_only = ON")
        return connection

    def _prepare(self, schema: str, seed: Callable[[sqlite3.Connection], None]) -> None:
        connection = self._connection("write")
        _use_wal(connection)
        try:
            connection.executescript(f"BEGIN IMMEDIATE;\n{schema}")
            if not connection.execute("PRAGMA user_version").fetchone()[0]:
                seed(connection)
                connection.execute("PRAGMA user_version = 1")
            connection.execute("COMMIT")
        except BaseException:
            connection.rollback()
            raise

    def _close(self) -> None:
        self._writer.shutdown()
        self._readers.shutdown()
        while self._connections:
            self._connections.pop().close()


class Cursor(sqlite3.Cursor):
    """Notes the text of what it executes, never the parameters: they may be personal or secret."""

    connection: Connection

    def execute(self, sql: str, parameters: Any = (), /) -> Cursor:
        """As sqlite3's; parameters belong into `parameters`, never into the text."""
        self.connection.note(sql)
        super().execute(sql, parameters)
        return self

    def executemany(self, sql: str, seq_of_parameters: Any, /) -> Cursor:
        """As sqlite3's."""
        self.connection.note(sql)
        super().executemany(sql, seq_of_parameters)
        return self


class Connection(sqlite3.Connection):
    """A connection that remembers which statements the current transaction ran."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.statements: list[str] = []

    def cursor(self, factory: Any = Cursor) -> Any:
        """As sqlite3's."""
        return super().cursor(factory)

    def execute(self, sql: str, parameters: Any = (), /) -> Cursor:
        """As sqlite3's, by way of our cursor."""
        cursor: Cursor = self.cursor().execute(sql, parameters)
        return cursor

    def executemany(self, sql: str, parameters: Any, /) -> Cursor:
        """As sqlite3's, by way of our cursor."""
        cursor: Cursor = self.cursor().executemany(sql, parameters)
        return cursor

    def note(self, sql: str) -> None:
        """Remember one statement, each only once."""
        text = " ".join(sql.split())
        if text not in self.statements and len(self.statements) < 50:
            self.statements.append(text)

    def text(self) -> str:
        """The statements of this transaction, without BEGIN and COMMIT, as `db.query.text`."""
        kept = (one for one in self.statements if not one.startswith(("BEGIN", "COMMIT")))
        return "; ".join(kept)[:MAX_QUERY_TEXT]


def _connect(path: Path) -> Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=Connection)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")  # a commit that was told survives a power cut
    connection.execute("PRAGMA busy_timeout = 2000")
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


def _begin(connection: Connection, kind: str) -> None:
    """Copies of the service have writers of their own: who gets no turn among them says so, like a full queue.

    Raises:
        Problem: 503 `overloaded`.
    """
    try:
        connection.execute("BEGIN IMMEDIATE" if kind == "write" else "BEGIN")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        raise Problem(503, "overloaded", "the database is busy", headers={"Retry-After": "1"}) from None


def _use_wal(connection: Connection) -> None:
    """Once for ever; copies that start together on a new file meet here, and SQLite does not wait for them by itself.

    Raises:
        sqlite3.OperationalError: it stays locked.
    """
    for pause in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, None):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if pause is None or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            time.sleep(pause)
        else:
            return


def _select_one(connection: sqlite3.Connection) -> None:
    connection.execute("SELECT 1").fetchone()
