"""Faults that a version of a service is given on purpose, for lessons: a canary must have something to die of.

Probes are left alone, except that `unready` says so: a version that never becomes ready is a lesson, too.
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


def plant(planted: Planted, draw: Callable[[], float] = random.random) -> Middleware:
    """For `web.Application(middlewares=[…])`, behind what turns problems into answers."""

    @web.middleware
    async def spoil(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in PROBES:
            await asyncio.sleep(planted.delay)
            if draw() < planted.errors:
                raise Problem(500, "planted_fault", "this version fails on purpose")
        return await handler(request)

    return spoil


async def never_ready() -> None:
    """A readiness check that fails."""
    raise RuntimeError("this version is never ready, on purpose")
