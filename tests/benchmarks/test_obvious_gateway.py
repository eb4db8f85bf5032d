"""The gateway to compare with really does the policies that it is said to do."""

from __future__ import annotations

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from benchmarks.obvious_gateway import application
from benchmarks.work import spoil

KEY = rsa.generate_private_key(65537, 2048)
PUBLIC = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
CLAIMS = {"iss": "https://id.local", "aud": "gw", "sub": "alice", "scope": "orders:read", "exp": 4_000_000_000}


def _token(**claims: object) -> str:
    return jwt.encode(CLAIMS | claims, KEY, "RS256")


async def _told(request: web.Request) -> web.Response:
    return web.json_response({name.lower(): value for name, value in request.headers.items()})


async def _ask(token: str, path: str = "/orders/1") -> tuple[int, dict[str, str], dict[str, str]]:
    """Status, headers, and what the upstream saw."""
    upstream = web.Application()
    upstream.router.add_get("/{tail:.*}", _told)
    async with TestServer(upstream) as server:
        gateway = TestServer(application(server.port or 0, PUBLIC, 2))
        async with TestClient(gateway) as client:
            answer = await client.get(path, headers={"Authorization": f"Bearer {token}", "Connection": "keep-alive"})
            seen = await answer.json() if answer.status == 200 else {}
            return answer.status, {name.lower(): value for name, value in answer.headers.items()}, seen


async def test_a_good_request_goes_through_with_ids() -> None:
    status, headers, seen = await _ask(_token())
    assert status == 200
    assert headers["ratelimit"].startswith('"default";r=')
    assert headers["x-request-id"] == seen["x-request-id"]
    assert seen["traceparent"].startswith("00-")


@pytest.mark.parametrize(
    ("token", "status"),
    [
        (spoil(_token()), 401),
        (_token(exp=1), 401),
        (_token(aud="other"), 401),
        (_token(iss="https://other.local"), 401),
        (_token(scope="orders:write"), 403),
    ],
    ids=["signature", "expired", "audience", "issuer", "scope"],
)
async def test_what_must_be_refused(token: str, status: int) -> None:
    assert (await _ask(token))[0] == status


async def test_no_route() -> None:
    assert (await _ask(_token(), "/svc1/api/x"))[0] == 200
    assert (await _ask(_token(), "/svc7/api/x"))[0] == 404
