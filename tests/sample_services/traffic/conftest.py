"""A shop that answers by the shop's public contract, can be told to misbehave, and remembers who asked for what."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from sample_services.traffic.journeys import Scene
from sample_services.traffic.plan import Pace, Restraint
from sample_services.traffic.report import Report
from sample_services.traffic.tokens import Tokens
from sample_services.traffic.visitor import Visitor


@dataclass
class Shop:
    """Answers every journey as the real one would; `broken` maps a path to the status it gives instead."""

    url: str = ""
    broken: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)
    seen: list[tuple[str, str, str]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        token = request.headers.get("Authorization", "")
        self.seen.append((request.method, request.path, token))
        if request.path in self.broken:
            status, headers = self.broken[request.path]
            return web.json_response({}, status=status, headers=headers)
        status, document = self._answer(request, token, await request.read())
        return web.json_response(document, status=status)

    def _answer(self, request: web.Request, token: str, body: bytes) -> tuple[int, Any]:
        match request.method, request.path.split("/")[1:]:
            case "POST", ["auth", "login"]:
                right = b"pw-" in body
                return (200, {"access_token": "user-token", "expires_in": 600}) if right else (401, {})
            case "POST", ["auth", "token"]:
                return 200, {"access_token": "partner-token", "expires_in": 600}
            case "GET", ["products"]:
                return 200, {"products": [{"id": 1}, {"id": 2}], "next_cursor": None}
            case "GET", ["products", _]:
                return 200, {}
            case _ if not token.startswith("Bearer "):
                return 401, {}
            case "GET", ["orders", _]:
                return 403, {}
            case "POST", ["orders"]:
                return 201, {"id": 1061}
        return 200, {}


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    shop = Shop()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", shop.handle)
    async with TestServer(app) as server:
        shop.url = str(server.make_url("/"))
        yield shop


@dataclass
class Stage:
    scene: Scene
    report: Report
    clock: list[float]


@pytest.fixture
async def stage(shop: Shop) -> AsyncIterator[Stage]:
    """A scene in front of the shop, at a pace that a test need not wait for, with a clock that stands still."""
    clock, report = [0.0], Report()
    async with aiohttp.ClientSession() as session:
        visitor = Visitor(session, shop.url, Pace(100_000.0, random.Random(1)), report)
        users = {name: f"pw-{name}" for name in ("alice", "bob", "carol")}
        tokens = Tokens(users, {"partner": "secret"}, lambda: clock[0])
        yield Stage(Scene(visitor, tokens, random.Random(1), Restraint(lambda: clock[0])), report, clock)
