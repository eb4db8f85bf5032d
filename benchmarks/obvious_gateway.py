"""The gateway that one writes first: an aiohttp server, a ClientSession, and the same policies as the others.

The problem: is a protocol layer of our own worth its lines? The rule: this is the honest alternative, an ordinary
program with the best ordinary parts (uvloop, C parser, PyJWT, prometheus_client, a token cache), not a straw man.

Run: `python -m benchmarks.obvious_gateway PORT UPSTREAM_PORT PUBLIC_KEY_FILE ROUTES`.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import uvloop
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from multidict import CIMultiDict
from prometheus_client import REGISTRY, Histogram, generate_latest

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "host")
)
MAX_TOKENS = 1_000
RATE, BURST = 1_000_000.0, 1_000_000.0
TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")

REQUESTS = Histogram("http_server_request_duration_seconds", "Answers", ["method", "route", "status"])
UPSTREAM = Histogram("http_client_request_duration_seconds", "Tries", ["method", "cluster", "status"])

SESSION = web.AppKey("session", aiohttp.ClientSession)
REQUEST_ID, TRACE_ID = web.RequestKey("request_id", str), web.RequestKey("trace_id", str)


class Policies:
    """Token, scope and limit of one request."""

    def __init__(self, public_key: str) -> None:
        key = load_pem_public_key(public_key.encode())
        assert isinstance(key, RSAPublicKey)
        self._key = key
        self._tokens: dict[str, dict[str, Any]] = {}
        self._arrivals: dict[str, float] = {}

    def claims(self, header: str) -> dict[str, Any]:
        """The verified claims of an Authorization header; verified tokens are remembered until they expire."""
        known = self._tokens.get(header)
        if known is not None and known["exp"] > time.time():
            return known
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer":
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Bearer"})
        try:
            claims: dict[str, Any] = jwt.decode(
                token, self._key, ["RS256"], audience="gw", issuer="https://id.local", options={"require": ["exp"]}
            )
        except jwt.InvalidTokenError:
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": 'Bearer error="invalid_token"'}) from None
        if len(self._tokens) >= MAX_TOKENS:
            del self._tokens[next(iter(self._tokens))]
        self._tokens[header] = claims
        return claims

    def limit(self, subject: str) -> str:
        """Spend one request (GCRA); the RateLimit header."""
        now = time.monotonic()
        arrival = max(self._arrivals.get(subject, 0.0), now) + 1 / RATE
        left = int((now + BURST / RATE - arrival) * RATE)
        if left < 0:
            raise web.HTTPTooManyRequests(headers={"Retry-After": "1"})
        self._arrivals[subject] = arrival
        return f'"default";r={left};t={int(arrival - now) + 1}'


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Ids and metrics."""
    started = time.perf_counter()
    request[REQUEST_ID] = secrets.token_hex(16)
    found = TRACEPARENT.fullmatch(request.headers.get("traceparent", ""))
    request[TRACE_ID] = found[1] if found else secrets.token_hex(16)
    try:
        answer = await handler(request)
    except web.HTTPException as refused:
        headers = CIMultiDict((name, value) for name, value in refused.headers.items() if name != "Content-Type")
        answer = web.json_response({"title": refused.reason}, status=refused.status, headers=headers)
    answer.headers["X-Request-Id"] = request[REQUEST_ID]
    resource = request.match_info.route.resource
    route = resource.canonical if resource else ""
    REQUESTS.labels(request.method, route, str(answer.status)).observe(time.perf_counter() - started)
    return answer


def forwarder(policies: Policies, upstream: str) -> Handler:
    """The handler of every route."""

    async def forward(request: web.Request) -> web.StreamResponse:
        claims = policies.claims(request.headers.get("Authorization", ""))
        if "orders:read" not in claims.get("scope", "").split():
            raise web.HTTPForbidden
        limit = policies.limit(claims["sub"])
        started = time.perf_counter()
        async with request.app[SESSION].request(
            request.method,
            upstream + request.raw_path,
            headers=_upstream_headers(request),
            data=request.content if request.can_read_body else None,
            allow_redirects=False,
        ) as told:
            body = await told.read()
        UPSTREAM.labels(request.method, "b", str(told.status)).observe(time.perf_counter() - started)
        skipped = HOP_BY_HOP | {"content-length"}
        headers = CIMultiDict((name, value) for name, value in told.headers.items() if name.lower() not in skipped)
        headers["RateLimit"] = limit
        return web.Response(status=told.status, headers=headers, body=body)

    return forward


def _upstream_headers(request: web.Request) -> CIMultiDict[str]:
    headers = CIMultiDict((name, value) for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP)
    headers["X-Request-Id"] = request[REQUEST_ID]
    headers["X-Forwarded-For"] = request.remote or ""
    headers["traceparent"] = f"00-{request[TRACE_ID]}-{secrets.token_hex(8)}-00"
    return headers


async def metrics(_: web.Request) -> web.Response:
    """Prometheus's page."""
    return web.Response(body=generate_latest(REGISTRY), content_type="text/plain")


def application(upstream_port: int, public_key: str, routes: int) -> web.Application:
    """The gateway with its routes."""
    app = web.Application(middlewares=[observe])
    app.cleanup_ctx.append(_session)
    forward = forwarder(Policies(public_key), f"http://127.0.0.1:{upstream_port}")
    for number in range(routes):
        app.router.add_route("*", f"/svc{number}/api/{{tail:.*}}", forward)
    app.router.add_route("*", "/orders/{tail:.*}", forward)
    app.router.add_get("/metrics", metrics)
    return app


async def _session(app: web.Application) -> AsyncIterator[None]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), auto_decompress=False) as session:
        app[SESSION] = session
        yield


async def serve(app: web.Application, port: int) -> None:
    """Until the process is ended."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    gateway = application(int(sys.argv[2]), Path(sys.argv[3]).read_text(), int(sys.argv[4]))
    uvloop.run(serve(gateway, int(sys.argv[1])))
