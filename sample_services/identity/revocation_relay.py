"""The relay tells Redis, and so every gateway worker, what was taken back: as often as it takes.

One turn is: read what waits, XADD each, then mark them published. Marking comes last: a repetition does no harm (to
take back twice is to take back), a gap would. Redis being away is no error of identity: revocations wait in the table,
and the lag (`identity_revocations_lag_seconds`) tells the operator.

Redis may also come back with less than it had: it syncs once a second, and its file may be lost. So the relay looks,
now and then and after each break, whether the entry that it wrote last is still there; if not, all goes out again.

The stream is as long as tokens live: each XADD drops what is older (MINID), and when nothing has come for so long it
ends.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge
from redis.asyncio import Redis

from sample_services.identity import revocation_outbox as outbox
from sample_services.identity.revocation_outbox import Backlog
from sample_services.kit.database import Database
from sample_services.kit.relaying import Relaying

STREAM: Final = "revocations:shop"
BATCH: Final = 100
KEEP_S: Final = outbox.ACCESS_LIFETIME_S + 2 * outbox.MAX_LEEWAY_S
"""How long an entry may matter, and a minute by which Redis' clock may differ from ours."""
LOOK_FOR_LOSS_S: Final = 5.0


class RelayMetrics:
    """What the operator sees of the relay."""

    def __init__(self, registry: CollectorRegistry, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.backlog = Backlog(0, None)
        self.published = Counter("identity_revocations_published", "Revocations given to Redis.", registry=registry)
        self.repeated = Counter(
            "identity_revocations_repeated", "Revocations that Redis had lost and was given again.", registry=registry
        )
        self.failures = Counter("identity_revocations_failures", "Turns that failed.", registry=registry)
        waiting = Gauge("identity_revocations_waiting", "Revocations not yet in Redis.", registry=registry)
        waiting.set_function(lambda: self.backlog.count)
        lag = Gauge("identity_revocations_lag_seconds", "Age of the oldest of them.", registry=registry)
        lag.set_function(self.lag)

    def lag(self) -> float:
        """Seconds; computed when asked, so that it grows while Redis is away."""
        return 0.0 if self.backlog.oldest is None else max(0.0, self._clock() - self.backlog.oldest)


@dataclass
class Relay(Relaying):
    """One per database; `clock` is seconds since 1970."""

    LOOK_AGAIN_S = 0.25
    FIRST_PAUSE_S = 0.05
    MAX_PAUSE_S = 1.0

    db: Database
    redis: Redis
    metrics: RelayMetrics
    log: logging.Logger
    clock: Callable[[], float]
    _look_for_loss_at: float = 0.0

    async def turn(self) -> bool:
        """One batch of revocations; now and then it begins with a look whether Redis has lost some."""
        now = self.clock()
        try:
            if now >= self._look_for_loss_at:
                await self._look_for_loss(now)
            batch = await self.db.read(outbox.waiting, now, BATCH)
            published = [(one, await self._publish(one, now)) for one in batch]
            if published:
                await self.redis.expire(STREAM, int(KEEP_S))
                await self.db.write(outbox.mark_published, published)
                self.metrics.published.inc(len(published))
        finally:
            self.metrics.backlog = await self.db.read(outbox.backlog, now)
        return len(batch) == BATCH

    async def _publish(self, one: outbox.Waiting, now: float) -> str:
        oldest = int((now - KEEP_S) * 1000)
        return str(await self.redis.xadd(STREAM, one.fields(), minid=oldest, approximate=True))

    async def _look_for_loss(self, now: float) -> None:
        entry = await self.db.read(outbox.latest_published, now)
        if entry is not None and not await self.redis.xrange(STREAM, entry, entry):
            again = await self.db.write(outbox.publish_again)
            self.metrics.repeated.inc(again)
            self.log.warning("Redis has lost revocations: all go out again", extra={"revocations": again})
        self._look_for_loss_at = now + LOOK_FOR_LOSS_S

    def failed(self, error: Exception, *, first: bool) -> None:
        """Revocations wait, and Redis may come back with less than it had."""
        self.metrics.failures.inc()
        self._look_for_loss_at = 0.0
        if first:
            self.log.warning("revocations wait: Redis does not take them", extra={"error_type": type(error).__name__})
