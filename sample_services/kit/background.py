"""Work that goes on beside the requests.

The problem: a background task that dies takes its work with it and nobody notices. The rule: it is started
again with a growing pause, every failure is logged and counted, and it ends only with the service.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable

from prometheus_client import Counter

from sample_services.kit.telemetry import quiet

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 10.0
HEALTHY_AFTER_S = 30.0
"""Who ran this long before failing starts again with the shortest pause."""


def pause(failures: int, spread: float) -> float:
    """Seconds to wait after this many failures in a row; `spread` in [0, 1) keeps many tasks apart."""
    longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(failures, 16))
    return longest * (0.5 + spread / 2)


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
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _supervise(self, work: Callable[[], Awaitable[None]], name: str) -> None:
        failures = 0
        with quiet():
            while True:
                started = time.monotonic()
                try:
                    await work()
                    return
                except Exception:
                    self._failures.labels(name).inc()
                    self._log.exception("background task failed", extra={"task": name})
                if time.monotonic() - started > HEALTHY_AFTER_S:
                    failures = 0
                await asyncio.sleep(pause(failures, random.random()))  # noqa: S311 - not a secret
                failures += 1
