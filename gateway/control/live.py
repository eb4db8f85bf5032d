"""What the console shows, once a second, to everyone who looks (server-sent events).

The problem: a hundred open tabs must not cost a hundred times the work, and a tab that sleeps must not fill
our memory. The rule: the message is made once per second and only if someone listens; each listener has a
queue of two, of which the older is dropped; there are at most so many listeners.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import orjson

MAX_LISTENERS = 32
SECONDS = 1.0


class TooManyListenersError(Exception):
    """Every place is taken."""


class Live:
    """Spreads one message per second; `message` makes it, `tick` runs before it in any case."""

    def __init__(self, message: Callable[[], dict[str, Any]], tick: Callable[[], None]) -> None:
        self._message, self._tick = message, tick
        self._listeners: set[asyncio.Queue[bytes | None]] = set()

    async def run(self) -> None:
        """Once a second, for ever."""
        while True:
            await asyncio.sleep(SECONDS)
            self._tick()
            if self._listeners:
                self.spread(self.event())

    def event(self) -> bytes:
        """The current message as a server-sent event."""
        return b"data: " + orjson.dumps(self._message()) + b"\n\n"

    def spread(self, event: bytes | None) -> None:
        """Give an event to every listener; None ends them."""
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(event)

    async def listen(self) -> AsyncGenerator[bytes, None]:
        """Events as they come, the first at once.

        Raises:
            TooManyListenersError: try again later.
        """
        if len(self._listeners) >= MAX_LISTENERS:
            raise TooManyListenersError
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=2)
        self._listeners.add(queue)
        try:
            yield self.event()
            while (event := await queue.get()) is not None:
                yield event
        finally:
            self._listeners.discard(queue)
