"""The console page, its files, and how it gets the right to change things.

The rule: the page is the same for everyone; opened with `?key=…` (a one-time code, or the secret) it
becomes a session: a cookie that scripts cannot read, and a token in the address's fragment, which browsers
never send and which the page takes away at once (see gateway.control.guard for why both).
"""

from __future__ import annotations

import re
from pathlib import Path

from aiohttp import web

from gateway.control.guard import Guard
from gateway.control.problems import Problem, answer
from gateway.control.resources import console_dir

FILE = re.compile(r"(?:[a-z0-9-]+/)*[a-z0-9-]+\.(?:html|css|js|svg)")
"""A name below the folder: without dots but the last, so it cannot lead out."""
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def routes(guard: Guard) -> list[web.RouteDef]:
    """The addresses of this topic."""
    directory = console_dir()

    async def page(request: web.Request) -> web.StreamResponse:
        key = request.query.get("key")
        return _file(directory / "index.html") if key is None else _open(guard, key)

    async def session(request: web.Request) -> web.Response:
        return answer({"may_change": guard.has_session(request)})

    async def code(_: web.Request) -> web.Response:
        return answer({"code": guard.new_code()})

    async def file(request: web.Request) -> web.StreamResponse:
        name = request.match_info["path"]
        if not FILE.fullmatch(name) or not (directory / name).is_file():
            raise Problem(404, "no_such_file", "not one of the console's files")
        return _file(directory / name)

    return [
        web.get("/", page),
        web.get("/session", session),
        web.post("/console/code", code),
        web.get("/console/{path:.+}", file),
    ]


def _file(path: Path) -> web.Response:
    return web.Response(text=path.read_text("utf-8"), content_type=TYPES[path.suffix], charset="utf-8")


def _open(guard: Guard, key: str) -> web.Response:
    session, token = guard.open_session(key)
    response = web.Response(status=303, headers={"Location": f"/#token={token}"})
    response.set_cookie(guard.cookie, session, httponly=True, samesite="Strict", path="/")
    return response
