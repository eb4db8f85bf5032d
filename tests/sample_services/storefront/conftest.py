"""The storefront on a free port, beside neighbours of the test's own that count calls and can be made to fail.

The neighbours speak the APIs of identity, orders and profiles as far as the storefront uses them; that they
speak them right is what test_whole_shop.py shows, with the real ones.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sample_services.kit.service import Service
from sample_services.kit.settings import Settings
from sample_services.storefront.application import setup
from sample_services.storefront.seed import seed

SCOPE = "orders:read orders:write profiles:read"
ISSUER = "https://identity.shop.example"


@dataclass
class Neighbours:
    """Identity, orders and profiles in one small server."""

    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    calls: list[str] = field(default_factory=list)
    """What was asked, but for the keys: method and path with its query."""
    tokens: set[str | None] = field(default_factory=set)
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    """By path: a status and body to give instead of the right answer."""
    slow: asyncio.Event | None = None
    """While set, answers wait for it."""
    url: str = ""

    def token(self, subject: str = "alice", scope: str = SCOPE, **changes: Any) -> str:
        """An access token as identity makes them."""
        now = int(time.time())
        claims = {"iss": ISSUER, "sub": subject, "aud": "shop", "iat": now, "exp": now + 600, "scope": scope}
        claims |= {"client_id": "shop", "roles": ["customer"], **changes}
        return jwt.encode(claims, self.key, "EdDSA", headers={"kid": "test", "typ": "at+jwt"})

    async def keys(self, _request: web.Request) -> web.Response:
        jwk = jwt.algorithms.OKPAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return web.json_response({"keys": [{**jwk, "kid": "test", "alg": "EdDSA", "use": "sig"}]})

    async def shop(self, request: web.Request) -> web.Response:
        self.calls.append(f"{request.method} {request.path_qs}")
        self.tokens.add(request.headers.get("Authorization"))
        if self.slow:
            await self.slow.wait()
        if request.path in self.answers:
            status, body = self.answers[request.path]
            return web.Response(status=status, body=body)
        match request.method, request.path:
            case "GET", "/products":
                return web.json_response(_page("products", request, [product(number) for number in range(1, 31)]))
            case "GET", "/orders":
                return web.json_response(_page("orders", request, [order(number) for number in range(1, 31)]))
            case "POST", "/orders":
                return web.json_response(order(31, status="placed"), status=201)
            case "POST", "/orders/1/cancel":
                return web.json_response(order(1, status="cancelled"))
            case "GET", "/recommendations":
                asked, limit = request.query["products"].split(","), int(request.query["limit"])
                found = [
                    {
                        "product_id": int(one),
                        "also": [{"product_id": int(one) + step, "score": 0.5} for step in (1, 2, 70)][:limit],
                    }
                    for one in asked
                ]
                return web.json_response({"model": "m", "recommendations": found})
            case "GET", "/profiles":
                people = [person(name) for name in request.query["usernames"].split(",") if name != "nobody"]
                return web.json_response({"profiles": people})
        return web.json_response({"reason": "not_found", "detail": "There is nothing with this id."}, status=404)


def product(number: int) -> dict[str, Any]:
    return {
        "id": number,
        "name": f"Product {number}",
        "description": "Made for tests.",
        "price": 100 * number,
        "currency": "EUR",
        "stock": number - 1,
    }


def order(number: int, status: str = "placed") -> dict[str, Any]:
    """Two items each, so that different orders name different products."""
    items = [
        {"product_id": 1 + (number + step) % 30, "name": "…", "quantity": 1 + step, "unit_price": 100}
        for step in (0, 1)
    ]
    return {
        "id": number,
        "customer": "alice",
        "status": status,
        "total": 300,
        "currency": "EUR",
        "created": "2026-01-05T09:00:00.000Z",
        "updated": "2026-01-05T09:00:00.000Z",
        "items": items,
    }


def person(username: str) -> dict[str, Any]:
    empty = dict.fromkeys(["phone", "street", "city", "postcode", "country"], "")
    return {"username": username, "full_name": username.title(), "email": "a@b.example", "loyalty_points": 7} | empty


def _page(name: str, request: web.Request, rows: list[dict[str, Any]]) -> dict[str, Any]:
    if "ids" in request.query:
        wanted = request.query["ids"].split(",")
        return {name: [row for row in rows if str(row["id"]) in wanted], "next_cursor": None}
    after, limit = int(request.query.get("cursor", 0)), int(request.query["limit"])
    page = [row for row in rows if row["id"] > after]
    return {name: page[:limit], "next_cursor": page[limit - 1]["id"] if len(page) > limit else None}


@pytest.fixture
async def neighbours() -> AsyncIterator[Neighbours]:
    neighbours = Neighbours()
    app = web.Application()
    app.router.add_get("/jwks.json", neighbours.keys)
    app.router.add_route("*", "/{path:.*}", neighbours.shop)
    runner, neighbours.url = await listen(app)
    yield neighbours
    await runner.cleanup()


async def listen(app: web.Application) -> tuple[web.AppRunner, str]:
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, "http://{}:{}".format(*runner.addresses[0][:2])


@dataclass
class Shop:
    """The storefront and a client for it."""

    url: str
    http: aiohttp.ClientSession
    service: Service

    async def ask(self, query: str, token: str | None = None, **variables: Any) -> dict[str, Any]:
        """A GraphQL answer, whatever its status."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        body = {"query": query, "variables": variables}
        async with self.http.post(f"{self.url}/graphql", json=body, headers=headers) as response:
            answer: dict[str, Any] = await response.json(content_type=None)
            return answer


@pytest.fixture
async def shop(tmp_path: Path, neighbours: Neighbours) -> AsyncIterator[Shop]:
    peers = dict.fromkeys(["identity", "orders", "profiles", "recommendations"], neighbours.url)
    settings = Settings(service="storefront", instance="storefront-1", data_dir=tmp_path, peers=peers)
    service = Service(settings, logging.getLogger("storefront"))
    schema = files("sample_services.storefront").joinpath("schema.sql").read_text(encoding="utf-8")
    await service.open(schema, seed)
    await setup(service)
    runner, url = await listen(service.app)
    async with aiohttp.ClientSession() as session:
        yield Shop(url, session, service)
    await runner.cleanup()
    await service.close()
