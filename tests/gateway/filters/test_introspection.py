"""Tokens that the issuer is asked about: the shop's identity service as a real process, and issuers that misbehave."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request as Call
from urllib.request import urlopen

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.filters.asking import Unanswered
from gateway.filters.base import Build
from gateway.filters.introspected import read_answer
from gateway.filters.introspection import TokenIntrospectionFilter
from gateway.filters.jose import BadToken
from gateway.http.messages import Reply, Request
from gateway.observability.metrics import Metrics
from gateway.spec.filters import ClaimToHeader, TokenIntrospection
from tests.sample_services.conftest import start_service

__all__ = ["start_service"]

USERS = {name: f"the password of {name}" for name in ("alice", "bob", "carol", "admin")}
CLIENTS = {"partner": "partner:s3cret/+%", "profiles": "profiles-s3cret:/+%"}
NOW = 1_000_000.0


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(CLIENTS["profiles"] + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def make(secret: Path, clock: Any, cluster: Any) -> Callable[..., TokenIntrospectionFilter]:
    def made(*addresses: str, wall: Any = clock, **more: Any) -> TokenIntrospectionFilter:
        given = {"cluster": "identity", "path": "/introspect", "client_id": "profiles", "client_secret": str(secret)}
        spec = TokenIntrospection.model_validate({**given, **more})
        return TokenIntrospectionFilter(
            spec, Build({}, Metrics(), wall, wall, clusters={"identity": cluster(*addresses)})
        )

    return made


@pytest.fixture
def check(ask: Any) -> Callable[..., Any]:
    async def run(one: TokenIntrospectionFilter, token: str, *fields: str) -> tuple[str | None, Request]:
        request: Request = ask("/", f"Authorization: Bearer {token}", *fields)
        decision = one.decide(request)
        reply = decision if decision is None or isinstance(decision, Reply) else await decision
        return (reply.reason if reply else None), request

    return run


class Issuer:
    """An issuer that says what the test tells it, and counts."""

    def __init__(self, said: Any, status: int = 200) -> None:
        self.said, self.status, self.asked = said, status, 0
        self.going = asyncio.Event()
        self.going.set()

    async def serve(self, request: web.Request) -> web.Response:
        self.asked += 1
        await self.going.wait()
        body = self.said if isinstance(self.said, bytes) else json.dumps(self.said).encode()
        headers = {"Location": "http://127.0.0.1:1/"} if self.status == 302 else {}
        return web.Response(status=self.status, body=body, headers=headers)


@pytest.fixture
async def issuer() -> Any:
    servers: list[TestServer] = []

    async def start(said: Any, status: int = 200) -> tuple[Issuer, str]:
        one, app = Issuer(said, status), web.Application()
        app.router.add_post("/introspect", one.serve)
        server = TestServer(app)
        await server.start_server()
        servers.append(server)
        return one, f"127.0.0.1:{server.port}"

    yield start
    for server in servers:
        await server.close()


ACTIVE = {"active": True, "sub": "alice", "aud": "shop", "scope": "read", "exp": NOW + 600, "token_type": "Bearer"}


def post(url: str, form: dict[str, str], client: str) -> Any:
    quoted = ":".join(urlencode({"": part})[1:] for part in (client, CLIENTS[client])).encode()
    call = Call(url, urlencode(form).encode(), {"Authorization": f"Basic {base64.b64encode(quoted).decode()}"})
    try:
        with urlopen(call, timeout=5) as answer:
            return json.loads(answer.read() or b"null")
    except HTTPError as error:
        with error:
            return json.loads(error.read())


async def test_the_shops_identity_service(start_service: Any, make: Any, check: Any) -> None:
    service = start_service("identity", "sample_services.identity", secrets={"users": USERS, "clients": CLIENTS})
    address = service.url.removeprefix("http://")
    grant = {"grant_type": "client_credentials"}
    token = (await asyncio.to_thread(post, service.url + "/token", grant, "partner"))["access_token"]
    one = make(address, wall=time.time, audiences=("shop",), cache_for=0.0)
    reason, request = await check(one, token)
    assert (reason, request.subject, request.claims["scope"]) == (None, "partner", "orders:read")
    assert (await check(one, token[:-4] + "AAAA"))[0] == "token_inactive"
    assert (await check(make(address, wall=time.time, audiences=("bank",)), token))[0] == "token_audience"
    assert (await check(make(address, wall=time.time, client_id="nobody"), token))[0] == "introspection_unavailable"
    await asyncio.to_thread(post, service.url + "/revoke", {"token": token}, "partner")
    assert (await check(one, token))[0] == "token_inactive"
    login = Call(service.url + "/login", b'{"username": "alice", "password": "the password of alice"}')
    login.add_header("Content-Type", "application/json")
    granted = json.loads((await asyncio.to_thread(urlopen, login, timeout=5)).read())
    assert (await check(one, granted["access_token"]))[0] is None
    assert (await check(one, granted["refresh_token"]))[0] == "token_type"


async def test_an_answer_is_believed_for_a_while(issuer: Any, make: Any, check: Any, clock: Any) -> None:
    one, address = await issuer(ACTIVE)
    filter_ = make(address, cache_for=10.0, claims_to_headers=(ClaimToHeader(claim="sub", header="x-subject"),))
    for _ in range(3):
        reason, request = await check(filter_, "opaque", "X-Subject: root")
        assert (reason, request.subject, request.all(b"x-subject")) == (None, "alice", [b"alice"])
    assert one.asked == 1
    one.said = {"active": False}
    clock.now += 9.9
    assert (await check(filter_, "opaque"))[0] is None
    clock.now += 0.2
    for _ in range(3):
        assert (await check(filter_, "opaque"))[0] == "token_inactive"
    assert one.asked == 2


async def test_never_longer_than_the_token_lives(issuer: Any, make: Any, check: Any, clock: Any) -> None:
    one, address = await issuer({**ACTIVE, "exp": NOW + 5})
    filter_ = make(address, cache_for=300.0, stale_for=3600.0)
    assert (await check(filter_, "opaque"))[0] is None
    clock.now += 5
    assert (await check(filter_, "opaque"))[0] == "token_inactive"
    one.status = 500
    clock.now += 301
    assert (await check(filter_, "opaque"))[0] == "introspection_unavailable"


async def test_requests_with_one_token_wait_for_one_question(issuer: Any, make: Any, check: Any) -> None:
    one, address = await issuer(ACTIVE)
    one.going.clear()
    filter_ = make(address)
    waiting = [asyncio.create_task(check(filter_, "opaque")) for _ in range(20)]
    while not one.asked:
        await asyncio.sleep(0)
    waiting[0].cancel()  # a client that leaves takes the answer from nobody
    one.going.set()
    answers = await asyncio.gather(*waiting[1:])
    assert [reason for reason, _ in answers] == [None] * 19
    assert one.asked == 1
    assert filter_._asking == {}


async def test_questions_at_one_time_are_bounded(issuer: Any, make: Any, check: Any) -> None:
    one, address = await issuer(ACTIVE)
    one.going.clear()
    filter_ = make(address)
    waiting = [asyncio.create_task(check(filter_, f"token-{number}")) for number in range(128)]
    while len(filter_._asking) < 128:
        await asyncio.sleep(0)
    assert (await check(filter_, "one-more"))[0] == "introspection_overflow"
    one.going.set()
    assert {reason for reason, _ in await asyncio.gather(*waiting)} == {None}


async def test_a_flood_of_nonsense_drives_no_good_answer_out(issuer: Any, make: Any, check: Any) -> None:
    one, address = await issuer(ACTIVE)
    filter_ = make(address, cache_entries=3)
    assert (await check(filter_, "good"))[0] is None
    one.said = {"active": False}
    for number in range(10):
        assert (await check(filter_, f"bad-{number}"))[0] == "token_inactive"
    asked = one.asked
    assert (await check(filter_, "good"))[0] is None
    assert one.asked == asked
    assert (len(filter_._good), len(filter_._bad)) == (1, 3)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (ACTIVE, 401),
        (ACTIVE, 302),
        (b"<html>", 200),
        (b"[true]", 200),
        (b'{"active": true, "active": true, "sub": "a"}', 200),
        (b" " * 70_000, 200),
    ],
    ids=range(6),
)
async def test_an_issuer_that_misbehaves_lets_nobody_in(
    issuer: Any, make: Any, check: Any, said: Any, status: int
) -> None:
    one, address = await issuer(said, status)
    filter_ = make(address)
    for _ in range(2):
        assert (await check(filter_, "opaque"))[0] == "introspection_unavailable"
    assert one.asked == 2  # not remembered
    assert filter_._asked.values == {("identity", "failed"): 2}


async def test_an_issuer_that_is_away(issuer: Any, make: Any, check: Any, clock: Any) -> None:
    one, address = await issuer(ACTIVE)
    strict, lenient = make(address, cache_for=10.0), make(address, cache_for=10.0, stale_for=60.0)
    for filter_ in (strict, lenient):
        assert (await check(filter_, "opaque"))[0] is None
    one.status = 503
    clock.now += 11
    assert (await check(strict, "opaque"))[0] == "introspection_unavailable"
    assert (await check(lenient, "opaque"))[0] is None
    assert (await check(lenient, "unknown"))[0] == "introspection_unavailable"
    clock.now += 60
    assert (await check(lenient, "opaque"))[0] == "introspection_unavailable"
    assert (await check(make(), "opaque"))[0] == "introspection_unavailable"
    assert (await check(make("127.0.0.1:1", address), "opaque"))[0] == "introspection_unavailable"
    one.status = 200
    assert (await check(make("127.0.0.1:1", address), "opaque"))[0] is None  # the next endpoint


async def test_an_issuer_that_says_nothing(issuer: Any, make: Any, check: Any) -> None:
    one, address = await issuer(ACTIVE)
    one.going.clear()
    assert (await check(make(address, timeout=0.05), "opaque"))[0] == "introspection_unavailable"
    one.going.set()


@pytest.mark.parametrize("token", ["", "a b", "a=b", "é", "a" * 8_193, "a,b"])
async def test_what_is_no_token_is_not_asked_about(issuer: Any, make: Any, ask: Any, token: str) -> None:
    reply = make("127.0.0.1:1").decide(ask("/", f"Authorization: Bearer {token}"))
    assert isinstance(reply, Reply)
    assert (reply.status, reply.reason) == (401, "token_malformed")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"active": False}, "token_inactive"),
        ({"active": "true"}, "token_inactive"),
        ({"active": 1}, "token_inactive"),
        ({"active": None}, "token_inactive"),
        ({"token_type": "refresh_token"}, "token_type"),
        ({"token_type": "DPoP"}, "token_type"),
        ({"token_type": None}, "token_type"),
        ({"exp": NOW}, "token_inactive"),
        ({"exp": "soon"}, "token_inactive"),
        ({"exp": True}, "token_inactive"),
        ({"nbf": NOW + 1}, "token_inactive"),
        ({"aud": "bank"}, "token_audience"),
        ({"aud": None}, "token_audience"),
        ({"aud": ["bank", "shop"]}, None),
        ({"sub": None}, "token_claim_missing"),
        ({"sub": 7}, "token_claim_missing"),
        ({"tenant": None}, "token_claim_missing"),
        ({"token_type": "bearer"}, None),
        ({}, None),
    ],
)
def test_active_is_not_enough(changes: dict[str, Any], reason: str | None) -> None:
    given = {"cluster": "a", "path": "/a", "client_id": "a", "client_secret": "a"}
    spec = TokenIntrospection.model_validate({**given, "audiences": ("shop",), "required_claims": ("tenant",)})
    body = json.dumps({**ACTIVE, "tenant": "acme", **changes}).encode()
    if reason is None:
        claims, expires = read_answer(body, spec, NOW)
        assert (claims["sub"], expires, "active" in claims) == ("alice", NOW + 600, False)
    else:
        with pytest.raises(BadToken) as caught:
            read_answer(body, spec, NOW)
        assert caught.value.reason == reason


def test_a_machine_is_its_client(tmp_path: Path) -> None:
    spec = TokenIntrospection(cluster="a", path="/a", client_id="a", client_secret="a")
    claims, expires = read_answer(b'{"active": true, "client_id": "partner"}', spec, NOW)
    assert (claims["sub"], expires) == ("partner", float("inf"))
    with pytest.raises(Unanswered):
        read_answer(b"7", spec, NOW)
