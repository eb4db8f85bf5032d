"""Work that goes on beside the requests.

The problem: a background task that dies takes its work with it and nobody notices. The rule: it is started
again with a growing pause, every failure is logged and counted, and it ends only with the service. Where another
process is away, the fault is not here: that is told in a line, without the stack. A task is cancelled until it has
ended: a cancellation that arrives together with what the task waited for can be lost (`asyncio.wait_for` before Python
3.12, https://github.com/python/cpython/issues/86296), and a service that waits for it would never stop.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

from prometheus_client import Counter
from redis.exceptions import RedisError

from sample_services.kit.telemetry import quiet

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 10.0
HEALTHY_AFTER_S = 30.0
"""Who ran this long before failing starts again with the shortest pause."""


def pause(failures: int, spread: float) -> float:
    """Seconds to wait after this many failures in a row; `spread` in [0, 1) keeps many tasks apart."""
    longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(failures, 16))
    return longest * (0.5 + spread / 2)


CANCEL_AGAIN_S = 1.0
"""Long enough for what a task still does when it ends."""

AWAY = (RedisError, OSError)
"""What is raised when another process cannot be reached."""


async def end(*tasks: asyncio.Future[Any]) -> None:
    """Cancel, as often as it takes, and wait for the end; what a task raises then is of no interest any more."""
    while running := [task for task in tasks if not task.done()]:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=CANCEL_AGAIN_S)
    await asyncio.gather(*tasks, return_exceptions=True)


class Tasks:
    """The background tasks of one service."""

    def __init__(self, log: logging.Logger, failures: Counter) -> None:
        self._log = log
        self._failures = failures
        self._running: set[asyncio.Task[None]] = set()

    def start(self, work: Callable[[], Awaitable[None]], name: str) -> None:
        """Keep `work()` running until it returns by itself or `stop` is called."""
        task = asyncio.create_task(self._supervise(work, name), name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def stop(self) -> None:
        """Cancel all tasks and wait for their end."""
        await end(*self._running)

    async def _supervise(self, work: Callable[[], Awaitable[None]], name: str) -> None:
        failures = 0
        with quiet():
            while True:
                started = time.monotonic()
                try:
                    await work()
                    return
                except Exception as error:
                    self._failed(name, error)
                if time.monotonic() - started > HEALTHY_AFTER_S:
                    failures = 0
                await asyncio.sleep(pause(failures, random.random()))  # noqa: S311 - not a secret
                failures += 1

    def _failed(self, name: str, error: Exception) -> None:
        self._failures.labels(name).inc()
        if isinstance(error, AWAY):
            reason = f"{type(error).__name__}: {error}"
            self._log.warning("background task waits for another process", extra={"task": name, "reason": reason})
        else:
            self._log.error("background task failed", extra={"task": name}, exc_info=error)
