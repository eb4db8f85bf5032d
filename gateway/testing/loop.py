"""An event loop in a thread of its own.

The problem: a gateway needs a running event loop, and tests come with none (plain functions), with one of
pytest-asyncio or with one of another library. The rule: the gateway brings its own, so that every kind of test can use
it, also one that blocks.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

PATIENCE: Final = 30.0
"""Seconds after which something hangs."""


def _new_loop() -> asyncio.AbstractEventLoop:
    """Of the kind that workers use."""
    import uvloop

    return uvloop.new_event_loop()


class LoopThread:
    """Runs until it is closed."""

    def __init__(self) -> None:
        self._loop = _new_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gatehouse-testing", daemon=True)
        self._thread.start()

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine, run over there."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """The result of a plain function, called over there between two events."""

        async def work() -> T:
            return function(*args)

        return self.wait(work())

    def close(self) -> None:
        """End what still runs, and the loop."""
        self.wait(_end_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()


async def _end_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.sleep(0)  # what was closed in the last moment hears of it
