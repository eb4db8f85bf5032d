"""The relay empties the outbox into the Redis stream: in order, as often as it takes.

One turn is: read the oldest waiting events, XADD them, then mark them sent. Marking comes last. If the
process dies between the two, the events are sent again: a repetition can be recognised by its id, a gap
cannot.

Redis being away is no error of orders: they stay in the outbox, the relay tries again with growing pauses,
and its lag (`orders_outbox_lag_seconds`) tells the operator. The stream is capped at about `MAX_STREAM`
entries, since an uncapped one would fill Redis' memory when a consumer is gone for good.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from opentelemetry.trace import SpanKind
from prometheus_client import CollectorRegistry, Counter, Gauge
from redis.asyncio import Redis

from sample_services.kit.database import Database
from sample_services.kit.relaying import Relaying
from sample_services.kit.telemetry import Telemetry
from sample_services.orders import outbox
from sample_services.orders.domain import rfc3339
from sample_services.orders.events import STREAM
from sample_services.orders.outbox import Backlog, Waiting

BATCH: Final = 100
MAX_STREAM: Final = 100_000
KEEP_SENT: Final = timedelta(hours=1)


class RelayMetrics:
    """What the operator sees of the relay."""

    def __init__(self, registry: CollectorRegistry, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self.backlog = Backlog(0, None)
        self.relayed = Counter("orders_outbox_relayed", "Events given to Redis.", registry=registry)
        self.failures = Counter("orders_outbox_failures", "Turns that failed.", registry=registry)
        waiting = Gauge("orders_outbox_waiting_events", "Events not yet in Redis.", registry=registry)
        waiting.set_function(lambda: self.backlog.count)
        lag = Gauge("orders_outbox_lag_seconds", "Age of the oldest waiting event.", registry=registry)
        lag.set_function(self.lag)

    def lag(self) -> float:
        """Seconds; computed when asked, so that it grows while Redis is away."""
        if self.backlog.oldest is None:
            return 0.0
        return max(0.0, (self._clock() - datetime.fromisoformat(self.backlog.oldest)).total_seconds())


@dataclass
class Relay(Relaying):
    """One per database: two would send in the wrong order, so of several copies only one has it running."""

    LOOK_AGAIN_S = 1.0
    FIRST_PAUSE_S = 0.1
    MAX_PAUSE_S = 5.0

    db: Database
    redis: Redis
    telemetry: Telemetry
    metrics: RelayMetrics
    log: logging.Logger
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def turn(self) -> bool:
        """One batch of events, in their order."""
        batch = await self.db.read(outbox.waiting, BATCH)
        try:
            for waiting in batch:
                await self._send(waiting)
            if batch:
                await self._mark(batch)
        finally:
            self.metrics.backlog = await self.db.read(outbox.backlog)
        return len(batch) == BATCH

    async def _send(self, waiting: Waiting) -> None:
        """A span of its own, in the trace of the request that caused the event (OpenTelemetry, messaging)."""
        event = json.loads(waiting.event)
        attributes = {
            "messaging.system": "redis",
            "messaging.operation.type": "send",
            "messaging.operation.name": "XADD",
            "messaging.destination.name": STREAM,
            "messaging.message.id": event["id"],
        }
        traceparent = event["traceparent"] or ""
        with self.telemetry.span(f"send {STREAM}", SpanKind.PRODUCER, traceparent=traceparent, attributes=attributes):
            await self.redis.xadd(STREAM, {"event": waiting.event}, maxlen=MAX_STREAM, approximate=True)

    async def _mark(self, batch: list[Waiting]) -> None:
        now = self.clock()
        sequences = [waiting.sequence for waiting in batch]
        await self.db.write(outbox.mark_sent, sequences, rfc3339(now), rfc3339(now - KEEP_SENT))
        self.metrics.relayed.inc(len(batch))

    def failed(self, error: Exception, *, first: bool) -> None:
        """Events wait."""
        self.metrics.failures.inc()
        if first:
            self.log.warning("events wait: Redis does not take them", extra={"error_type": type(error).__name__})
