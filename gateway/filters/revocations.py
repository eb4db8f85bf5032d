"""Tokens that were taken back before their time: a copy of the list in each worker, fed by a store.

The problem: a signed token is good until it expires, whatever happened since; asking somebody for every request costs
more than the request. The rule: the issuer writes what it takes back into a stream of Redis; each worker reads all of
it when it connects, then waits at its end (XREAD BLOCK), so that it knows within milliseconds and a request costs
three look-ups in dictionaries. What is forgotten is what no token can have outlived.

- Waiting ends after `HEARTBEAT` even if nothing happens: that is how a worker knows that it knows everything.
- When nothing was heard for `maxStaleness`, or more was published than `maxEntries`, the copy may lack something: what
  that means is declared (`onStoreFailure`). What is known is refused in any case.
- After a break everything is read again: a Redis that was restored from an older file misses nothing that way.

An entry has the fields `claim` (`jti`, `sid` or `sub`), `value`, `exp` (until when such tokens live), `at` (when it
was decided) and, for a `sub`, `before`: all tokens of this subject that were issued until then. Times are seconds since
1970.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from gateway.observability.metrics import Metrics
from gateway.spec.models import JwtProvider
from gateway.upstream.store import Store

if TYPE_CHECKING:
    from redis.asyncio import Connection

HEARTBEAT: Final = 1.0
ANSWER: Final = 2.0
"""Seconds that Redis may take to connect, or to answer beyond the heartbeat."""
BATCH: Final = 1_000
SWEEP: Final = 10.0
"""Entries that have ended are forgotten so often."""
FIRST_PAUSE: Final = 0.05
LAST_PAUSE: Final = 1.0
MAX_VALUE: Final = 256

log = logging.getLogger("gateway.revocations")


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that an issuer has taken back."""

    claim: str
    value: str
    before: float
    """Tokens issued until then; infinite: all."""
    expires: float
    at: float


class Revoked:
    """What is taken back, for as long as it matters; never more than `max_entries`."""

    __slots__ = ("_by_claim", "_ids", "_max", "_sessions", "_subjects", "incomplete_until")

    def __init__(self, max_entries: int) -> None:
        self._ids: dict[str, Entry] = {}
        self._sessions: dict[str, Entry] = {}
        self._subjects: dict[str, Entry] = {}
        self._by_claim = {"jti": self._ids, "sid": self._sessions, "sub": self._subjects}
        self._max = max_entries
        self.incomplete_until = -math.inf
        """Until when something is missing because there was no room for it (seconds since 1970)."""

    def __len__(self) -> int:
        return sum(map(len, self._by_claim.values()))

    def note(self, entry: Entry, now: float) -> bool:
        """Remember an entry; whether it was new."""
        known = self._by_claim[entry.claim]
        old = known.get(entry.value)
        if entry.expires <= now or (old is not None and old.before >= entry.before and old.expires >= entry.expires):
            return False
        if old is None and len(self) >= self._max:
            self.forget(now)
            if len(self) >= self._max:  # not at the cost of another, which would be good again
                self.incomplete_until = max(self.incomplete_until, entry.expires)
                return False
        if old is not None:  # the stricter of both words holds, and for as long as either does
            entry = replace(entry, before=max(old.before, entry.before), expires=max(old.expires, entry.expires))
        known[entry.value] = entry
        return True

    def holds(self, claims: Mapping[str, Any]) -> bool:
        """Whether a verified token is taken back: by itself, with its session, or with all of its subject's."""
        if claims.get("jti") in self._ids or claims.get("sid") in self._sessions:
            return True
        entry = self._subjects.get(claims["sub"])
        return entry is not None and claims.get("iat", -math.inf) <= entry.before

    def forget(self, now: float) -> None:
        """Let go of what every token has ended that it could concern."""
        for known in self._by_claim.values():
            for value in [value for value, entry in known.items() if entry.expires <= now]:
                del known[value]


class Revocations:
    """The observed state of one provider's list: the copy, and how old it is."""

    def __init__(
        self,
        provider: JwtProvider,
        store: Store,
        metrics: Metrics,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        assert provider.revocation is not None
        self.spec = provider.revocation
        self.store = store
        self.stream = f"revocations:{self.spec.name or provider.name}"
        self.revoked = Revoked(self.spec.max_entries)
        self._provider = provider.name
        self._metrics = metrics
        self._clock = clock
        self._wall = wall
        self._started = clock()
        self._heard = -math.inf
        self._swept = clock()
        self._tried = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Revocations {self.stream} entries={len(self.revoked)} heard {self.staleness:.1f} s ago>"

    @property
    def staleness(self) -> float:
        """Seconds since everything was known; before that ever was, since the start."""
        return self._clock() - max(self._heard, self._started)

    @property
    def complete(self) -> bool:
        """Whether what is not in the copy is not taken back, as far as `maxStaleness` allows to say so."""
        if self._clock() - self._heard > self.spec.max_staleness:
            return False
        missing = self.revoked.incomplete_until
        return missing == -math.inf or missing <= self._wall()

    @property
    def reading(self) -> bool:
        """Whether the very first attempt to read the list is still under way."""
        return not self._tried.is_set()

    async def read_once(self) -> None:
        """Wait until it was read, or could not be; bounded by `ANSWER` for each step of it."""
        await self._tried.wait()

    def start(self) -> None:
        """Follow the list in the background."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._follow())

    async def close(self) -> None:
        """Stop following."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    # -- following -------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        from redis.exceptions import RedisError

        pause = FIRST_PAUSE
        while True:
            heard = self._heard
            try:
                await self._read()
            except (RedisError, OSError, ValueError) as error:  # a time-out is an OSError; ValueError: no such answer
                if self._heard != heard or pause == FIRST_PAUSE:  # once for each outage; the metric tells the rest
                    log.warning("%s is not followed: %s", self.stream, str(error) or type(error).__name__)
            pause = FIRST_PAUSE if self._heard != heard else min(2 * pause, LAST_PAUSE)
            self._tried.set()
            await asyncio.sleep(pause)

    async def _read(self) -> None:
        """All of the stream, then what comes, until something breaks."""
        connection = self.store.account.connection(ANSWER)
        try:
            async with asyncio.timeout(ANSWER):
                await connection.connect()  # type: ignore[no-untyped-call]
            last, wait = b"0-0", 0.0
            while True:
                entries = await self._next(connection, last, wait)
                for _, fields in entries:
                    self._take(fields)
                last = entries[-1][0] if entries else last
                wait = 0.0 if len(entries) == BATCH else HEARTBEAT
                if wait:
                    self._know_all()
        finally:
            await connection.disconnect(nowait=True)

    async def _next(self, connection: Connection, last: bytes, wait: float) -> Sequence[tuple[bytes, list[bytes]]]:
        blocked: tuple[str | int, ...] = ("BLOCK", int(wait * 1000)) if wait else ()
        async with asyncio.timeout(wait + ANSWER):
            await connection.send_command("XREAD", "COUNT", BATCH, *blocked, "STREAMS", self.stream, last)
            answer: Any = await connection.read_response()
        return answer[0][1] if answer else ()

    def _know_all(self) -> None:
        now = self._clock()
        if now - self._heard > self.spec.max_staleness:
            log.info("%s is known: %d entries", self.stream, len(self.revoked))
        self._heard = now
        self._tried.set()
        if now - self._swept > SWEEP:
            self._swept = now
            self.revoked.forget(self._wall())

    def _take(self, fields: Sequence[bytes]) -> None:
        try:
            entry = read_entry(fields)
        except ValueError as error:
            self._metrics.revocations_unreadable.add(self._provider)
            log.error("%s: an entry cannot be understood: %s", self.stream, error)
            return
        now = self._wall()
        if self.revoked.note(entry, now) and self._heard > -math.inf:  # at the start everything is late
            self._metrics.revocation_delays.observe((self._provider,), max(0.0, now - entry.at))


def read_entry(fields: Sequence[bytes]) -> Entry:
    """What a published entry says.

    Raises:
        ValueError: it says something else; its content is not repeated.
    """
    told = dict(zip(fields[::2], fields[1::2], strict=False))
    claim, value = told.get(b"claim", b"").decode("ascii", "replace"), told.get(b"value", b"")
    if claim not in ("jti", "sid", "sub") or not 0 < len(value) <= MAX_VALUE:
        raise ValueError("it names no token, session or subject")
    before = _time(told, b"before") if claim == "sub" else math.inf
    return Entry(claim, value.decode(), before, _time(told, b"exp"), _time(told, b"at"))


def _time(told: Mapping[bytes, bytes], name: bytes) -> float:
    found = float(told.get(name, b"nan"))
    if not math.isfinite(found):
        raise ValueError(f"{name.decode()} is no time")
    return found
