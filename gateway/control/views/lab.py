"""/lab: the catalogue, and what is weakened now. What the lab does is done by jobs (gateway.control.commands)."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from aiohttp import web

from gateway.control.commands import command
from gateway.control.plane import ControlPlane
from gateway.control.problems import answer

NOTES = "lab.json"
"""In the state directory: what the lab has weakened, written by the lab before it does so."""


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

    async def state(_: web.Request) -> web.Response:
        return answer({"broken": await asyncio.to_thread(broken, plane)})

    return [web.get("/lab/scenarios", scenarios), web.get("/lab", state)]


def broken(plane: ControlPlane) -> list[str]:
    """The scenarios whose weaknesses are in force."""
    try:
        notes = orjson.loads((plane.settings.state_dir / NOTES).read_bytes())
    except FileNotFoundError:
        return []
    return [str(one) for one in notes.get("broken", ())]
