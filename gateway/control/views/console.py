"""The console page, its files, and how it gets the right to change things.

The rule: the page is the same for everyone; opened with `?key=…` (a one-time code, or the secret) it
becomes a session: a cookie that scripts cannot read, and a token in the address's fragment, which browsers
never send and which the page takes away at once (see gateway.control.guard for why both).
"""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from gateway.control.guard import Guard
from gateway.control.problems import Problem, answer
from gateway.control.resources import console_dir

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
        found = _files(directory).get(request.match_info["path"])
        if found is None:
            raise Problem(404, "no_such_file", "not one of the console's files")
        return _file(found)

    return [
        web.get("/", page),
        web.get("/session", session),
        web.post("/console/code", code),
        web.get("/console/{path:.+}", file),
    ]


def _files(directory: Path) -> dict[str, Path]:
    """What may be served, by its path below the folder: nothing outside it can be named."""
    found = (path for path in directory.rglob("*") if path.suffix in TYPES)
    return {path.relative_to(directory).as_posix(): path for path in found}


def _file(path: Path) -> web.Response:
    return web.Response(text=path.read_text("utf-8"), content_type=TYPES[path.suffix], charset="utf-8")


def _open(guard: Guard, key: str) -> web.Response:
    session, token = guard.open_session(key)
    response = web.Response(status=303, headers={"Location": f"/#token={token}"})
    response.set_cookie(guard.cookie, session, httponly=True, samesite="Strict", path="/")
    return response
