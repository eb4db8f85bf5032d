"""/logs/{name}: what a process wrote, for those who may change things (see gateway.control.guard.PRIVATE)."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from aiohttp import web

from gateway.control.log_files import last_lines, more_lines
from gateway.control.plane import ControlPlane
from gateway.control.problems import Problem, answer
from gateway.control.questions import number

MAX_LINES = 1_000
MAX_LINE = 8_192
"""Characters of a line that are shown."""
NAME = re.compile(r"[a-z][a-z0-9-]{0,60}")
SHARED = {"guard": "supervisor"}
"""Who writes into the log of somebody else."""


def routes(plane: ControlPlane) -> list[web.RouteDef]:
    """The addresses of this topic."""

    async def log(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        path = _path(plane, name)
        try:
            if "after" in request.query:
                lines, position = await asyncio.to_thread(more_lines, path, _position(request))
            else:
                wanted = number(request, "lines", 200, MAX_LINES)
                lines, position = await asyncio.to_thread(last_lines, path, wanted)
        except FileNotFoundError:
            lines, position = [], 0  # it has written nothing yet
        shown = [line[:MAX_LINE] for line in lines[-MAX_LINES:]]
        return answer({"name": name, "lines": shown, "skipped": len(lines) - len(shown), "position": position})

    return [web.get("/logs/{name}", log)]


def _path(plane: ControlPlane, name: str) -> Path:
    """Where a process of that name logs. The name is checked, and nobody is asked: a log is wanted when things fail."""
    if not NAME.fullmatch(name):
        raise Problem(404, "no_such_process", "see /services for those there are")
    return plane.settings.state_dir / "logs" / f"{SHARED.get(name, name)}.log"


def _position(request: web.Request) -> int:
    text = request.query["after"]
    if not (text.isascii() and text.isdigit() and len(text) < 14):
        raise Problem(400, "invalid_query", "after must be a position that an earlier answer told")
    return int(text)
