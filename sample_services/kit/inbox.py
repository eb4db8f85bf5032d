"""The consumer's side of a Redis stream: what is ours to do, and what went wrong how often.

Redis keeps, for every entry it gave to a consumer, a note until the consumer acknowledges it: whose it is,
since when, and how often it was delivered (the *pending entries list*). All recovery rests on that list:

    fresh   entries nobody has had yet                            XREADGROUP … >
    own     ours, given to us before we crashed and restarted     XREADGROUP … 0
    stale   pending for too long: another consumer died, or
            our own last attempt failed                           XAUTOCLAIM

The number of deliveries is counted by Redis, not by us: an entry whose content kills the process is counted
too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import ConnectionPool, Redis
from redis.exceptions import ResponseError

STREAM: Final = "events:orders"
DEAD: Final = "events:orders:dead"
BATCH: Final = 50
MAX_DEAD: Final = 10_000
STALE_MS: Final = 2_000
"""After so long an entry may be taken from its consumer. Too short costs work done twice, never a wrong result."""


@dataclass(frozen=True)
class Delivery:
    """An entry that is ours until acknowledged. `event` is None when the capped stream has dropped its content."""

    entry_id: str
    event: bytes | None
    deliveries: int


class Inbox:
    """One consumer of the group `group`. `redis` must not decode answers: entries may hold any bytes (`undecoded`).

    All methods raise RedisError when Redis cannot be reached.
    """

    def __init__(self, redis: Redis, group: str, consumer: str, stale_ms: int = STALE_MS) -> None:
        self.group = group
        self._redis = redis
        self._consumer = consumer
        self._stale_ms = stale_ms

    async def open(self) -> None:
        """Makes stream and group if they are missing; the group begins with the oldest entry kept."""
        try:
            await self._redis.xgroup_create(STREAM, self.group, id="0", mkstream=True)
        except ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    async def fresh(self, wait_ms: int) -> list[Delivery]:
        """New entries; waits for the first of them for at most `wait_ms`."""
        return [_delivery(entry, 1) for entry in await self._read(">", wait_ms)]

    async def own(self, after: str = "0") -> list[Delivery]:
        """Entries that were ours before we restarted, from `after` on; this counts as one more delivery."""
        return await self._counted(await self._read(after, None))

    async def stale(self) -> list[Delivery]:
        """Takes over entries that nobody has finished for `stale_ms`; this counts as one more delivery."""
        answer = await self._redis.xautoclaim(
            STREAM, self.group, self._consumer, min_idle_time=self._stale_ms, start_id="0-0", count=BATCH
        )
        # Redis 6.2 answers nil for entries that the cap has dropped (7.0 forgets them by itself).
        return await self._counted([entry for entry in answer[1] if entry[0] is not None])

    async def done(self, delivery: Delivery) -> None:
        """Acknowledges: the entry will not come again."""
        await self._redis.xack(STREAM, self.group, delivery.entry_id)

    async def bury(self, delivery: Delivery, reason: str) -> None:
        """Moves the entry to the dead letters, with the reason; both steps in one MULTI, so that it is in one place."""
        letter: dict[Any, Any] = {
            "event": delivery.event or b"",
            "reason": reason,
            "entry": delivery.entry_id,
            "deliveries": delivery.deliveries,
            "group": self.group,
        }
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.xadd(DEAD, letter, maxlen=MAX_DEAD, approximate=True)
            pipe.xack(STREAM, self.group, delivery.entry_id)
            await pipe.execute()

    async def pending(self) -> int:
        """Entries given to any consumer of the group and not acknowledged."""
        return int((await self._redis.xpending(STREAM, self.group))["pending"])

    async def _read(self, start: str, wait_ms: int | None) -> list[Any]:
        answer = await self._redis.xreadgroup(self.group, self._consumer, {STREAM: start}, count=BATCH, block=wait_ms)
        return _entries(answer)

    async def _counted(self, entries: list[Any]) -> list[Delivery]:
        """Adds what Redis says about how often each entry was delivered."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for entry_id, _fields in entries:
                pipe.xpending_range(STREAM, self.group, min=entry_id, max=entry_id, count=1)
            answers = await pipe.execute()
        return [
            _delivery(entry, notes[0]["times_delivered"])
            for entry, notes in zip(entries, answers, strict=True)
            if notes  # no note: acknowledged meanwhile
        ]


def _entries(answer: Any) -> list[Any]:
    """The entries of our one stream, whichever RESP version the connection speaks."""
    if isinstance(answer, dict):  # RESP3
        answer = list(answer.items())
    return [entry for _stream, entries in answer or () for entry in entries]


def _delivery(entry: Any, deliveries: int) -> Delivery:
    """An entry without its field is an empty event: as malformed as any other."""
    entry_id, fields = entry
    return Delivery(entry_id.decode(), fields.get(b"event", b"") if fields else None, int(deliveries))


def undecoded(redis: Redis) -> Redis:
    """The same Redis on connections of its own, whose answers stay bytes.

    One entry that is not UTF-8 would otherwise fail the reading of its whole batch, for ever.
    """
    how = {**redis.connection_pool.connection_kwargs, "decode_responses": False}
    return Redis.from_pool(ConnectionPool(**how))
