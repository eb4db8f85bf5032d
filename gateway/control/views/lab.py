"""/lab: the catalogue, and taking back whatever is weakened. All else that the lab does is done by jobs."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from gateway.control.commands import command
from gateway.control.plane import ControlPlane
from gateway.control.problems import Problem, answer


def routes(plane: ControlPlane) -> list[web.RouteDef]:
    """The addresses of this topic."""
    reading = asyncio.Lock()
    kept: dict[str, Any] = {}

    async def scenarios(_: web.Request) -> web.Response:
        async with reading:  # it takes a second, and does not change while this process lives
            if not kept:
                wanted = command("lab-list")
                kept["scenarios"] = await plane.jobs.printed(wanted.line({}), wanted.seconds)
        return answer(kept)

    async def reset(_: web.Request) -> web.Response:
        wanted = command("lab-reset")
        job = plane.jobs.start("lab-reset", wanted.line({}), wanted.seconds)
        await job.ended()
        if job.exit_code != 0:
            raise Problem(503, "reset_failed", " ".join(job.errors)[-500:] or job.state)
        return answer({**job.view(), "output": job.lines})

    return [web.get("/lab/scenarios", scenarios), web.post("/lab/reset", reset)]
