"""/logs/{name}: what a process wrote, for those who may change things (see gateway.control.guard.PRIVATE)."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiohttp import web

from gateway.control.log_files import last_lines, more_lines
from gateway.control.plane import ControlPlane
from gateway.control.problems import Problem, answer
from gateway.control.questions import number

MAX_LINES = 1_000
MAX_LINE = 8_192
"""Characters of a line that are shown."""


def routes(plane: ControlPlane) -> list[web.RouteDef]:
    """The addresses of this topic."""

    async def log(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        path = await _path(plane, name)
        try:
            if "after" in request.query:
                lines, position = await asyncio.to_thread(more_lines, path, _position(request))
            else:
                wanted = number(request, "lines", 200, MAX_LINES)
                lines, position = await asyncio.to_thread(last_lines, path, wanted)
        except OSError:
            raise Problem(404, "no_log", f"{name} has written nothing yet") from None
        shown = [line[:MAX_LINE] for line in lines[-MAX_LINES:]]
        return answer({"name": name, "lines": shown, "skipped": len(lines) - len(shown), "position": position})

    return [web.get("/logs/{name}", log)]


async def _path(plane: ControlPlane, name: str) -> Path:
    """Where it logs. Only files of the folder of logs, whatever somebody says of where they are."""
    await plane.services.look()
    for process in plane.services.processes:
        path = Path(str(process.get("log", "")))
        if process.get("name") == name and path.parent == plane.settings.state_dir / "logs":
            return path
    raise Problem(404, "no_such_process", plane.services.supervisor_error or "see /services for those there are")


def _position(request: web.Request) -> int:
    text = request.query["after"]
    if not (text.isascii() and text.isdigit() and len(text) < 14):
        raise Problem(400, "invalid_query", "after must be a position that an earlier answer told")
    return int(text)
