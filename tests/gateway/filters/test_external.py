"""A service that is asked whether a request may pass, behind a real gateway."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.compile.load import load_text
from gateway.spec.errors import SpecErrors

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CONFIG = """
listeners: [{{name: public, port: 0}}]
clusters:
  - {{name: shop, endpoints: ["{shop}"]}}
  - {{name: rules, endpoints: ["{rules}"]}}
routes:
  - name: everything
    {public}
    filters:
      - type: ExternalAuthorization
        cluster: rules
        allowedHeaders: [cookie, x-plan]
        allowedUpstreamHeaders: [x-user, x-groups]
        {more}
    backendRefs: [{{cluster: shop}}]
"""


class Rules:
    """The service that decides: what it says, and what it was asked."""

    def __init__(self) -> None:
        self.status, self.headers = 200, [("X-User", "alice"), ("X-Secret", "1")]
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.going = asyncio.Event()
        self.going.set()

    async def serve(self, request: web.Request) -> web.Response:
        fields = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append((request.method, request.raw_path, fields, await request.read()))
        await self.going.wait()
        answer = web.Response(status=self.status, text="the reason of the service")
        for name, value in self.headers:
            answer.headers.add(name, value)
        return answer


@pytest.fixture
async def rules() -> Any:
    one, app = Rules(), web.Application()
    app.router.add_route("*", "/{path:.*}", one.serve)
    server = TestServer(app)
    await server.start_server()
    one.address = f"127.0.0.1:{server.port}"  # type: ignore[attr-defined]
    yield one
    one.going.set()
    await server.close()


@pytest.fixture
def asking(upstream: Any, gateway: Any, rules: Any) -> Any:
    async def start(more: str = "", public: str = "", address: str = "") -> tuple[Any, Any]:
        shop = await upstream(OK)
        text = CONFIG.format(shop=shop.address, rules=address or rules.address, more=more, public=public)
        return await gateway(text), shop

    return start


def wire(line: str, *fields: str, body: str = "") -> bytes:
    length = [f"Content-Length: {len(body)}"] if body else []
    head = "\r\n".join([f"{line} HTTP/1.1", "Host: shop.example:81", "Connection: close", *length, *fields])
    return f"{head}\r\n\r\n{body}".encode()


def refused(answer: bytes) -> tuple[int, str]:
    problem = json.loads(answer.partition(b"\r\n\r\n")[2])
    return problem["status"], problem["reason"]


async def test_it_is_asked_as_the_request_is(asking: Any, rules: Any) -> None:
    edge, _ = await asking("pathPrefix: /check/")
    fields = ("Authorization: Bearer t", "Cookie: a=1", "X-Plan: gold", "X-Plan: old", "X-Other: no")
    answer = await edge.raw(wire("PUT /a%2cb%3B/c;d?x=%2C&y=a+b", *fields, body="secret"))
    assert answer.endswith(b"ok")
    ((method, path, sent, body),) = rules.asked
    assert (method, path, body) == ("PUT", "/check/a%2Cb%3B/c;d?x=%2C&y=a+b", b"")
    assert (sent["host"], sent["authorization"], sent["cookie"]) == ("shop.example:81", "Bearer t", "a=1")
    assert (sent["x-plan"], sent["x-forwarded-for"], sent["x-forwarded-proto"]) == ("gold, old", "127.0.0.1", "http")
    assert "x-other" not in sent


async def test_what_it_says_reaches_the_upstream_and_nothing_else_does(asking: Any, rules: Any) -> None:
    edge, shop = await asking()
    rules.headers += [("X-Groups", "a"), ("X-Groups", "b")]
    await edge.raw(wire("GET /", "X-User: root", "x_user: root", "X-Groups: admin"))
    head = shop.seen[0].lower()
    assert head.count(b"user") == head.count(b"x-user: alice\r\n") == 1
    assert [b"x-groups: a\r\n" in head, b"x-groups: b\r\n" in head, b"admin" in head] == [True, True, False]
    assert b"x-secret" not in head


@pytest.mark.parametrize(
    ("status", "told"),
    [(401, 401), (403, 403), (404, 404), (302, 302), (201, 403), (204, 403)],
)
async def test_everything_but_200_refuses(asking: Any, rules: Any, status: int, told: int) -> None:
    edge, shop = await asking()
    rules.status = status
    rules.headers += [("Location", "https://login.example/"), ("Set-Cookie", "a=1")]
    answer = await edge.raw(wire("GET /"))
    assert refused(answer) == (told, "authorization_denied")
    assert b"location: https://login.example/\r\n" in answer
    assert (b"set-cookie" in answer, b"the reason of the service" in answer) == (False, False)
    assert shop.seen == []


@pytest.mark.parametrize("status", [500, 503])
async def test_a_failure_lets_nothing_pass(asking: Any, rules: Any, status: int) -> None:
    edge, shop = await asking()
    rules.status = status
    assert refused(await edge.raw(wire("GET /"))) == (503, "authorization_unavailable")
    assert shop.seen == []
    assert edge.total("gateway_external_authorizations_total", result="failed") == 1


async def test_nobody_there_and_nobody_answering(asking: Any, rules: Any) -> None:
    edge, _ = await asking(address="127.0.0.1:1")
    assert refused(await edge.raw(wire("GET /"))) == (503, "authorization_unavailable")
    rules.going.clear()
    edge, _ = await asking("timeout: 50ms")
    assert refused(await edge.raw(wire("GET /"))) == (503, "authorization_unavailable")


async def test_fail_open_where_that_is_declared(asking: Any, rules: Any) -> None:
    edge, shop = await asking("failureModeAllow: true", "public: true")
    rules.status = 500
    assert (await edge.raw(wire("GET /", "X-User: root"))).endswith(b"ok")
    assert b"x-user" not in shop.seen[0].lower()  # nobody said so
    assert edge.total("gateway_external_authorizations_total", result="failed_open") == 1
    rules.status = 403
    assert refused(await edge.raw(wire("GET /"))) == (403, "authorization_denied")


async def test_questions_at_one_time_are_bounded(asking: Any, rules: Any) -> None:
    edge, _ = await asking("timeout: 10s")
    (filter_,) = edge.worker.snapshot.filters.values()
    filter_._asking = 256
    assert refused(await edge.raw(wire("GET /"))) == (503, "authorization_overflow")
    filter_._asking = 255
    assert (await edge.raw(wire("GET /"))).endswith(b"ok")
    assert filter_._asking == 255


def test_a_route_that_fails_open_is_public() -> None:
    given = {"shop": "127.0.0.1:1", "rules": "127.0.0.1:2"}
    with pytest.raises(SpecErrors, match="neither public nor protected"):
        load_text(CONFIG.format(**given, more="failureModeAllow: true", public=""), "t.yaml", {})
    with pytest.raises(SpecErrors, match="public and protected at once"):
        load_text(CONFIG.format(**given, more="", public="public: true"), "t.yaml", {})
    with pytest.raises(SpecErrors, match='header "x-forwarded-for" is not passed on'):
        load_text(CONFIG.format(**given, more="", public="").replace("x-plan", "x-forwarded-for"), "t.yaml", {})
