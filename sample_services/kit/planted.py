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


def plant(planted: Planted, draw: Callable[[], float] = random.random) -> Middleware:
    """For `web.Application(middlewares=[…])`, behind what turns problems into answers."""

    kept: list[bytes] = []

    @web.middleware
    async def spoil(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in PROBES:
            await asyncio.sleep(planted.delay)
            if draw() < planted.errors:
                raise Problem(500, "planted_fault", "this version fails on purpose")
            if len(kept) * planted.leak * 1024 < MOST_LEAKED and planted.leak:
                kept.append(b"\x01" * (planted.leak * 1024))  # written to, or the kernel would give no memory for it
        return await handler(request)

    return spoil


async def never_ready() -> None:
    """A readiness check that fails."""
    raise RuntimeError("this version is never ready, on purpose")
