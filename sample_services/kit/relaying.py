"""The turns of a relay: what waits in a table goes out to Redis, as often as it takes.

The problem: Redis may be away for hours; what waits must not be lost, and nobody is helped by a loop that tries without
rest. The rule: a turn takes one batch. While there may be more, the next follows at once; else somebody's call begins
it, or the end of a moment's rest. After failures the pauses grow, and an outage is told once.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ClassVar

from redis.exceptions import RedisError


@dataclass(kw_only=True)
class Relaying(ABC):
    """Whoever has turns; one per database."""

    LOOK_AGAIN_S: ClassVar[float]
    """How long something may wait if its wake-up call was lost, or given in another copy of the service."""
    FIRST_PAUSE_S: ClassVar[float]
    MAX_PAUSE_S: ClassVar[float]

    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    _call: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """Something may wait: called after the commit."""
        self._call.set()

    async def run(self) -> None:
        """Relays until cancelled."""
        failures = 0
        while True:
            try:
                more = await self.turn()
                failures = 0
            except (RedisError, OSError) as error:
                failures += 1
                self.failed(error, first=failures == 1)
                await self.pause(min(self.MAX_PAUSE_S, self.FIRST_PAUSE_S * 2 ** min(failures, 10)))
            else:
                if not more:
                    await self._wait()

    @abstractmethod
    async def turn(self) -> bool:
        """Passes one batch on; True when there may be more.

        Raises:
            RedisError, OSError: Redis did not take all of them; none is marked, so all will be sent again.
        """

    @abstractmethod
    def failed(self, error: Exception, *, first: bool) -> None:
        """A turn failed; `first` of an outage, which the log tells: the metrics tell the rest."""

    async def _wait(self) -> None:
        """Until somebody calls, or for a moment."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._call.wait(), self.LOOK_AGAIN_S)
        self._call.clear()
