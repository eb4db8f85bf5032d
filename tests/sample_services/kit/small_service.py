"""The smallest service of the kit, started as a real process by test_service.py."""

from __future__ import annotations

import sqlite3

from aiohttp import web
from pydantic import BaseModel

from sample_services.kit.body import json_body
from sample_services.kit.service import Service, run
from sample_services.kit.settings import Settings

SCHEMA = "CREATE TABLE IF NOT EXISTS note (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT"


class Note(BaseModel):
    text: str


def add_note(connection: sqlite3.Connection, text: str) -> int | None:
    return connection.execute("INSERT INTO note (text) VALUES (?)", (text,)).lastrowid


def count_notes(connection: sqlite3.Connection) -> int:
    count: int = connection.execute("SELECT count(*) FROM note").fetchone()[0]
    return count


def seed(connection: sqlite3.Connection, settings: Settings) -> None:
    add_note(connection, settings.instance)


async def setup(service: Service) -> None:
    async def add(request: web.Request) -> web.Response:
        note = await json_body(request, Note)
        return web.json_response({"id": await service.db.write(add_note, note.text)}, status=201)

    async def count(_: web.Request) -> web.Response:
        return web.json_response({"count": await service.db.read(count_notes)})

    async def broken(_: web.Request) -> web.Response:
        raise ValueError("inner detail")

    async def relay(request: web.Request) -> web.Response:
        answer = await service.http.request("other", "GET", request.query["path"])
        return web.json_response({"status": answer.status, "body": answer.json()})

    async def whoami(request: web.Request) -> web.Response:
        claims = await service.auth.require(request, "orders:read")
        return web.json_response({"subject": claims.subject})

    async def poll() -> None:
        await service.db.read(count_notes)
        raise RuntimeError("polling failed")

    service.app.router.add_post("/notes", add)
    service.app.router.add_get("/notes/{any}", count)
    service.app.router.add_get("/broken", broken)
    service.app.router.add_get("/relay", relay)
    service.app.router.add_get("/whoami", whoami)
    service.background(poll, "poll")


if __name__ == "__main__":
    run("small", setup, SCHEMA, seed)
