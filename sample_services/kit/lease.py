"""Work that only one copy of a service may do at a time.

The problem: several copies share a database, and some work is right only when one does it: relaying an outbox in its
order, following a stream whose events count together. The rule: one row says who does it and until when. Taking and
renewing it is one transaction, so two never hold it; who dies loses it after `LIFE` seconds; who stops gives it back,
and another goes on at once. A process that hangs for longer than that and wakes up may finish a piece of work that
another has done meanwhile: what is done under a lease must bear that (here all of it goes by the ids of events).
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable
from typing import Final

from sample_services.kit.background import end
from sample_services.kit.database import Database
from sample_services.kit.problems import Problem

LEASE_TABLE: Final = """
CREATE TABLE IF NOT EXISTS lease (
    name   TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    until  REAL NOT NULL              -- seconds since 1970: the copies of a service run on one machine
) STRICT, WITHOUT ROWID;
"""
LIFE: Final = 6.0
LOOK_AGAIN: Final = 0.5
"""How often who waits looks whether it is free."""


class Lease:
    """One of them, as one copy sees it."""

    def __init__(self, db: Database, name: str, holder: str, clock: Callable[[], float] = time.time) -> None:
        self._db, self._name, self._holder, self._clock = db, name, holder, clock
        self._until = 0.0

    async def take(self) -> bool:
        """Take it if it is free, or renew it; whether it is ours now."""
        now = self._clock()
        if not await self._db.read(_can_be_taken, self._name, self._holder, now):
            self._until = 0.0
            return False
        taken = await self._db.write(_take, self._name, self._holder, now)
        self._until = now + LIFE if taken else 0.0
        return taken

    async def give_back(self) -> None:
        """Another may take it at once."""
        self._until = 0.0
        await self._db.write(_give_back, self._name, self._holder)

    async def alone(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do this for as long as it is ours; wait for it before, and again should it be lost. Returns when work does.

        Raises:
            Exception: what `work` raises.
        """
        while True:
            while not await self.take():
                await asyncio.sleep(LOOK_AGAIN)
            task = asyncio.ensure_future(work())
            try:
                while await self._still_ours():
                    await asyncio.wait({task}, timeout=LIFE / 3)
                    if task.done():
                        return task.result()
            finally:
                await end(task)
                await self.give_back()

    async def _still_ours(self) -> bool:
        if self._until - self._clock() > LIFE / 2:
            return True
        try:
            return await self.take()
        except (sqlite3.Error, Problem):  # a database in trouble: nobody else can take it either
            return self._until > self._clock()


def _can_be_taken(connection: sqlite3.Connection, name: str, holder: str, now: float) -> bool:
    """Asked before: who only waits does not write."""
    row = connection.execute("SELECT holder, until FROM lease WHERE name = ?", (name,)).fetchone()
    return row is None or row["holder"] == holder or row["until"] <= now


def _take(connection: sqlite3.Connection, name: str, holder: str, now: float) -> bool:
    taken = connection.execute(
        "INSERT INTO lease VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE"
        " SET holder = excluded.holder, until = excluded.until"
        " WHERE lease.holder = excluded.holder OR lease.until <= ?",
        (name, holder, now + LIFE, now),
    )
    return bool(taken.rowcount)


def _give_back(connection: sqlite3.Connection, name: str, holder: str) -> None:
    connection.execute("DELETE FROM lease WHERE name = ? AND holder = ?", (name, holder))
