"""/incidents: which there are, and how the one that runs stands. Started, answered and ended by jobs."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from aiohttp import web

from gateway.control.commands import command
from gateway.control.plane import ControlPlane
from gateway.control.problems import answer

FRESH_SECONDS = 3.0
"""So long an answer holds, however many pages ask: each is a process of its own."""


def routes(plane: ControlPlane) -> list[web.RouteDef]:
    """The addresses of this topic."""
    asking = asyncio.Lock()
    kept: dict[str, tuple[float, Any]] = {}

    async def printed(name: str, fresh: float) -> Any:
        at, found = kept.get(name, (-fresh, None))
        if found is None or time.monotonic() - at > fresh:
            wanted = command(name)
            found = await plane.jobs.printed(wanted.line({}), wanted.seconds)
            kept[name] = (time.monotonic(), found)
        return found

    async def incidents(_: web.Request) -> web.Response:
        async with asking:
            known = await printed("incident-list", float("inf"))
            return answer({**known, "status": await printed("incident-status", FRESH_SECONDS)})

    return [web.get("/incidents", incidents)]
