"""Faults that a version of a service is given on purpose, for lessons: a canary must have something to die of.

Probes are left alone, except that `unready` says so: a version that never becomes ready is a lesson, too. What is
leaked is bounded: the lesson is the slope, and no machine is to run out of memory for it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from sample_services.kit.observe import PROBES
from sample_services.kit.problems import Problem
from sample_services.kit.settings import Planted

MOST_LEAKED = 128 * 1024 * 1024
"""Bytes that a leak keeps altogether."""


class Leak:
    """What requests leave behind: so many bytes each, which nobody needs."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.kept: list[bytes] = []

    def grow(self) -> None:
        """One more request. What is kept is written to, or the kernel would give no memory for it."""
        if self._size and (len(self.kept) + 1) * self._size <= MOST_LEAKED:
            self.kept.append(b"\x01" * self._size)


def plant(planted: Planted, draw: Callable[[], float] = random.random) -> Middleware:
    """For `web.Application(middlewares=[…])`, behind what turns problems into answers."""
    leak = Leak(planted.leak * 1024)

    @web.middleware
    async def spoil(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in PROBES:
            await asyncio.sleep(planted.delay)
            if draw() < planted.errors:
                raise Problem(500, "planted_fault", "this version fails on purpose")
            leak.grow()
        return await handler(request)

    return spoil


async def never_ready() -> None:
    """A readiness check that fails."""
    raise RuntimeError("this version is never ready, on purpose")
