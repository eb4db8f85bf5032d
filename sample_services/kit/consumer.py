"""From delivery to effect, and what to do when that fails: what every reader of the order events needs.

The order of steps is the guarantee: commit, then acknowledge. A crash before the commit leaves nothing; a
crash between the two makes the entry come again, and the database knows its id already. So nothing is lost
and nothing is doubled, although neither Redis nor SQLite knows of the other.

Failures are of two kinds. If the *event* is bad, others must not wait for it: it stays pending, is delivered
again, and after `MAX_DELIVERIES` goes to the dead letters. If *we* are in trouble (disk full, database
locked), every event would fail, and burying them all would be wrong: then we wait and try the same one again.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Awaitable, Callable
from typing import Concatenate, Final, ParamSpec, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from sample_services.kit.database import Database
from sample_services.kit.events import MalformedEventError
from sample_services.kit.inbox import STREAM, Delivery, Inbox
from sample_services.kit.telemetry import Telemetry

MAX_DELIVERIES: Final = 5
WAIT_MS: Final = 1_000
DATABASE_PAUSE_S: Final = 1.0

P = ParamSpec("P")
T = TypeVar("T")


class ConsumerMetrics:
    """What the operator sees of a consumer; `service` begins the names."""

    def __init__(self, service: str, registry: CollectorRegistry) -> None:
        self.events = Counter(
            f"{service}_events", "Deliveries, by what became of them.", ("outcome",), registry=registry
        )
        self.delay = Histogram(
            f"{service}_event_delay_seconds",
            "From the change in orders to our commit.",
            buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 30, 60, 600, 3600),
            registry=registry,
        )
        self.pending = Gauge(f"{service}_pending_entries", "Entries not acknowledged.", registry=registry)


class Consumer:
    """Works through one inbox, one event after the other. A service says in `work_through` what an event does."""

    def __init__(
        self,
        inbox: Inbox,
        db: Database,
        telemetry: Telemetry,
        metrics: ConsumerMetrics,
        log: logging.Logger,
        clock: Callable[[], float] = time.time,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.inbox, self.db, self.telemetry = inbox, db, telemetry
        self.metrics, self.log, self.clock, self.pause = metrics, log, clock, pause

    async def work_through(self, delivery: Delivery, raw: bytes) -> str:
        """Do what the event asks for; the outcome (a label of the metric), after the commit.

        Raises:
            MalformedEventError: it is no event; any other exception is a fault of ours.
        """
        raise NotImplementedError

    async def run(self) -> None:
        """Works until cancelled.

        Raises:
            RedisError: Redis is away; starting again is right, since everything unfinished is still pending.
        """
        await self.inbox.open()
        await self._recover()
        while True:
            await self.turn()

    async def _recover(self) -> None:
        """What we had been given before we were restarted comes first: it is older than anything new."""
        after = "0"
        while batch := await self.inbox.own(after):
            for delivery in batch:
                await self.handle(delivery)
            after = batch[-1].entry_id

    async def turn(self, wait_ms: int = WAIT_MS) -> None:
        """One look at stale and fresh entries."""
        for delivery in await self.inbox.stale():
            await self.handle(delivery)
        for delivery in await self.inbox.fresh(wait_ms):
            await self.handle(delivery)
        self.metrics.pending.set(await self.inbox.pending())

    async def handle(self, delivery: Delivery) -> None:
        """Works through one delivery, or notes its failure.

        Raises:
            RedisError: it could not be acknowledged; it will come again.
        """
        if delivery.event is None:
            await self._dropped(delivery)
        elif delivery.deliveries > MAX_DELIVERIES:  # it never came to an end: perhaps it kills the process
            await self._bury(delivery, "no attempt came to an end")
        else:
            await self._attempt(delivery, delivery.event)

    async def _attempt(self, delivery: Delivery, raw: bytes) -> None:
        try:
            outcome = await self.work_through(delivery, raw)
        except Exception as error:  # whatever it is: one bad event must not stop the others
            await self._failed(delivery, error)
        else:
            await self.inbox.done(delivery)
            self.metrics.events.labels(outcome).inc()

    async def commit(self, fn: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Writes; while the database is in trouble, waits and tries again."""
        while True:
            try:
                return await self.db.write(fn, *args, **kwargs)
            except (sqlite3.IntegrityError, sqlite3.DataError):  # this event's fault
                raise
            except sqlite3.Error as error:
                self.metrics.events.labels("database_error").inc()
                self.log.error("the database is in trouble", extra={"error_type": str(error)})
                await self.pause(DATABASE_PAUSE_S)

    async def _failed(self, delivery: Delivery, error: Exception) -> None:
        """Leaves the entry pending, to be delivered again, or gives it up."""
        reason = f"{type(error).__name__}: {error}"
        expected = isinstance(error, MalformedEventError)
        self.metrics.events.labels("failed").inc()
        self.log.warning(
            "event failed",
            extra={"entry": delivery.entry_id, "deliveries": delivery.deliveries, "cause": reason},
            exc_info=None if expected else error,
        )
        if delivery.deliveries >= MAX_DELIVERIES:
            await self._bury(delivery, reason)

    async def _bury(self, delivery: Delivery, reason: str) -> None:
        await self.inbox.bury(delivery, reason)
        self.metrics.events.labels("dead").inc()
        self.log.error("event given up", extra={"entry": delivery.entry_id, "cause": reason})

    async def _dropped(self, delivery: Delivery) -> None:
        """The capped stream dropped the content before we read it: nothing to do but to say so."""
        await self.inbox.done(delivery)
        self.metrics.events.labels("dropped").inc()
        self.log.error("event lost: the stream was capped before it was read", extra={"entry": delivery.entry_id})


def attributes(event_id: str, delivery: Delivery, group: str) -> dict[str, str]:
    """Of a consumer's span: OpenTelemetry's semantic conventions for messaging."""
    return {
        "messaging.system": "redis",
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
        "messaging.destination.name": STREAM,
        "messaging.consumer.group.name": group,
        "messaging.message.id": event_id,
        "redis.stream.entry": delivery.entry_id,
    }
