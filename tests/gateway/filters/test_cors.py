"""What browsers ask and are told, as the Fetch standard has it (section 3.2)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.filters.cors import CorsFilter
from gateway.http.messages import Reply, Request, Response
from gateway.spec.filters import Cors

SHOP = "https://shop.example"


def cors(build: Any, **more: Any) -> CorsFilter:
    given = {"allow_origins": (SHOP, "https://*.shop.example", "http://localhost:3000"), **more}
    return CorsFilter(Cors.model_validate(given), build())


def preflight(one: CorsFilter, request: Request) -> tuple[Reply, dict[bytes, bytes]]:
    reply = one.decide(request)
    assert isinstance(reply, Reply)
    return reply, dict(reply.headers)


def asked(ask: Any, origin: str, method: str = "GET", *fields: str) -> Request:
    made: Request = ask("/", f"Origin: {origin}", f"Access-Control-Request-Method: {method}", *fields, method="OPTIONS")
    return made


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (SHOP, True),
        ("https://a.shop.example", True),
        ("https://b.a.shop.example", True),
        ("http://localhost:3000", True),
        ("http://shop.example", False),
        ("https://shop.example:444", False),
        ("https://a.shop.example:444", False),
        ("https://shop.example.evil.example", False),
        ("https://evilshop.example", False),
        ("https://evil.example/.shop.example", False),
        ("https://evil.example#.shop.example", False),
        ("https://.shop.example", False),
        ("http://localhost:30000", False),
        ("null", False),
        ("", False),
    ],
)
def test_an_origin_is_repeated_only_when_it_is_allowed(build: Any, ask: Any, origin: str, allowed: bool) -> None:
    one = cors(build)
    reply, headers = preflight(one, asked(ask, origin))
    assert (reply.status, reply.reason) == ((204, "cors_preflight") if allowed else (403, "cors_origin"))
    assert headers.get(b"access-control-allow-origin") == (origin.encode() if allowed else None)
    assert b"Origin" in headers[b"vary"]
    request = ask("/", f"Origin: {origin}")
    assert one.decide(request) is None
    told = dict(request.reply_headers)
    assert told.get(b"access-control-allow-origin") == (origin.encode() if allowed else None)
    assert told[b"vary"] == b"Origin"


@pytest.mark.parametrize(
    ("methods", "method", "allowed"),
    [
        ((), "POST", True),
        ((), "PUT", False),
        (("PUT",), "PUT", True),
        (("PUT",), "put", False),
        (("*",), "DELETE", True),
        (("*",), "A, B", False),
    ],
)
def test_methods(build: Any, ask: Any, methods: tuple[str, ...], method: str, allowed: bool) -> None:
    reply, headers = preflight(cors(build, allow_methods=methods), asked(ask, SHOP, method))
    assert (reply.status, reply.reason) == ((204, "cors_preflight") if allowed else (403, "cors_method"))
    assert headers.get(b"access-control-allow-methods") == (method.encode() if allowed else None)


@pytest.mark.parametrize(
    ("allowed", "asked_for", "told"),
    [
        (("Content-Type", "authorization"), "content-type, Authorization", b"content-type, authorization"),
        (("content-type",), "content-type,x-trial", None),
        ((), "content-type", None),
        (("*",), "x-trial", b"x-trial"),
        (("*",), "x trial", None),
        (("*",), "x-trial,", None),
        (("*",), "a,b,c" + ",d" * 70, None),
    ],
)
def test_headers(build: Any, ask: Any, allowed: tuple[str, ...], asked_for: str, told: bytes | None) -> None:
    request = asked(ask, SHOP, "GET", f"Access-Control-Request-Headers: {asked_for}")
    reply, headers = preflight(cors(build, allow_headers=allowed), request)
    assert reply.reason == ("cors_header" if told is None else "cors_preflight")
    assert headers.get(b"access-control-allow-headers") == told


def test_credentials_and_exposed_headers(build: Any, ask: Any) -> None:
    one = cors(build, allow_credentials=True, expose_headers=("X-Total", "link"), max_age=600.0)
    _, headers = preflight(one, asked(ask, SHOP))
    assert headers[b"access-control-allow-credentials"] == b"true"
    assert headers[b"access-control-max-age"] == b"600"
    request = ask("/", f"Origin: {SHOP}")
    one.decide(request)
    assert dict(request.reply_headers)[b"access-control-expose-headers"] == b"x-total, link"
    stranger = ask("/", "Origin: https://evil.example")
    one.decide(stranger)
    assert [name for name, _ in stranger.reply_headers] == [b"vary"]


def test_every_page_without_credentials(build: Any, ask: Any) -> None:
    one = cors(build, allow_origins=("*",))
    request = ask("/", "Origin: null")
    assert one.decide(request) is None
    assert request.reply_headers == [(b"access-control-allow-origin", b"*")]
    assert preflight(one, asked(ask, "https://any.example"))[1][b"access-control-allow-origin"] == b"*"


def test_what_is_no_preflight_passes(build: Any, ask: Any) -> None:
    one = cors(build)
    assert one.decide(ask("/", f"Origin: {SHOP}", method="OPTIONS")) is None
    assert one.decide(ask("/", "Access-Control-Request-Method: PUT", method="OPTIONS")) is None
    assert one.decide(ask("/", f"Origin: {SHOP}", "Access-Control-Request-Method: PUT")) is None


def test_what_the_service_says_is_replaced(build: Any, ask: Any) -> None:
    response = Response(200, [(b"access-control-allow-origin", b"*"), (b"vary", b"Accept")], {}, 0, True)
    cors(build).on_response(ask(), response)
    assert response.headers == [(b"vary", b"Accept")]


CONFIG = """
listeners: [{{name: public, port: 0}}]
clusters: [{{name: shop, endpoints: ["{address}"]}}]
providers: [{{name: id, issuer: "https://id.test", audiences: [shop], jwks: {{cluster: shop, path: /jwks}}}}]
routes:
  - name: read
    matches: [{{path: {{value: /orders}}, method: GET}}, {{path: {{value: /orders}}, method: PUT}}]
    filters:
      - {{type: CORS, allowOrigins: ["https://shop.example"], allowMethods: [PUT]}}
      - {{type: JWT, provider: id}}
    backendRefs: [{{cluster: shop}}]
  - name: plain
    public: true
    matches: [{{path: {{value: /plain}}, method: GET}}]
    backendRefs: [{{cluster: shop}}]
  - name: open
    public: true
    matches: [{{path: {{value: /open}}}}]
    filters: [{{type: CORS, allowOrigins: ["https://shop.example"]}}]
    backendRefs: [{{cluster: shop}}]
"""
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nAccess-Control-Allow-Origin: *\r\n\r\nhi"


def wire(method: str, path: str, *fields: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: gateway.test", "Connection: close", f"Origin: {SHOP}", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def test_a_preflight_needs_no_token_and_no_route_of_its_own(upstream: Any, gateway: Any) -> None:
    shop = await upstream(ANSWER)
    edge = await gateway(CONFIG.format(address=shop.address))
    answer = await edge.raw(wire("OPTIONS", "/orders/1", "Access-Control-Request-Method: PUT"))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 204 No Content\r\n")
    assert b"access-control-allow-origin: https://shop.example\r\n" in head
    assert (b"content-length" in head, b"content-type" in head, body) == (False, False, b"")
    assert not any(b"OPTIONS" in head for head in shop.seen)
    for method, path in (("DELETE", "/orders/1"), ("GET", "/plain"), ("GET", "/nowhere")):
        answer = await edge.raw(wire("OPTIONS", path, f"Access-Control-Request-Method: {method}"))
        assert b"no_route" in answer
    assert b"no_route" in await edge.raw(wire("OPTIONS", "/orders/1"))


async def test_a_page_can_read_why_it_was_refused(upstream: Any, gateway: Any) -> None:
    shop = await upstream(ANSWER)
    edge = await gateway(CONFIG.format(address=shop.address))
    head, _, body = (await edge.raw(wire("GET", "/orders/1"))).partition(b"\r\n\r\n")
    assert json.loads(body)["reason"] == "token_missing"
    assert b"access-control-allow-origin: https://shop.example\r\n" in head
    answer = await edge.raw(wire("GET", "/open"))
    assert answer.lower().count(b"access-control-allow-origin") == 1
    assert answer.endswith(b"hi")
