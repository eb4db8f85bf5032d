"""A user's request through the gateway to storefront, and storefront's own calls: which token is seen where."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.filters.onward_tokens import MAX_KEPT
from gateway.upstream.workload import Workload
from tests.gateway.filters.tokens import JWKS, token
from tests.waiting import until

SHOP = "spiffe://gatehouse.local/ns/shop/sa/"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LATER = 4_000_000_000
EDGE = """
listeners: [{{name: public, port: 0}}, {{name: internal, port: 0}}]
providers: [{{name: id, issuer: "https://id.test", audiences: [shop], jwks: {{cluster: id, path: /jwks}}}}]
clusters:
  - {{name: id, endpoints: ["{id}"]}}
  - {{name: storefront, endpoints: ["{storefront}"]{tls}}}
  - {{name: copies, endpoints: ["{copies}"]}}
routes:
  - name: graphql
    listeners: [public]
    filters:
      - {{type: JWT, provider: id}}
      - type: InternalToken
        audiences: [storefront]
        scopes: ["orders:read", "profiles:read"]
        claims: [roles]
        onward: [{{audience: orders, scopes: ["orders:read"]}}, {{audience: profiles}}]
      - {{type: RequestMirror, cluster: copies, withhold: []}}
    backendRefs: [{{cluster: storefront}}]
  - name: open
    listeners: [public]
    public: true
    matches: [{{path: {{value: /open}}}}]
    backendRefs: [{{cluster: storefront}}]
  - {{name: keys, listeners: [internal], public: true, filters: [{{type: Jwks}}]}}
"""
SIDECAR = """
listeners: [{{name: inbound, port: 0, tls: {{mesh: true}}}}, {{name: to-orders, port: 0}}, {{name: to-others, port: 0}}]
clusters: [{{name: app, endpoints: ["{app}"]}}, {{name: orders, endpoints: ["{orders}"]}}]
routes:
  - name: into
    listeners: [inbound]
    filters:
      - {{type: AuthorizationPolicy, allow: [{{name: all, principals: ["{shop}*"]}}]}}
      - {{type: KeepOnwardTokens, issuer: "{shop}gateway"}}
    backendRefs: [{{cluster: app}}]
  - name: to-orders
    listeners: [to-orders]
    public: true
    filters: [{{type: UseOnwardToken, service: orders}}]
    backendRefs: [{{cluster: orders}}]
  - name: to-others
    listeners: [to-others]
    public: true
    filters: [{{type: UseOnwardToken, service: others}}]
    backendRefs: [{{cluster: orders}}]
"""


def asking(path: str, *fields: str) -> bytes:
    said = "".join(f"{field}\r\n" for field in fields)
    return f"GET {path} HTTP/1.1\r\nHost: a\r\n{said}Connection: close\r\n\r\n".encode()


def bearer(head: bytes) -> str:
    found: list[bytes] = re.findall(rb"(?im)^authorization: bearer (\S+)\r$", head)
    assert len(found) == 1, head
    return found[0].decode()


def said(text: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(text, options={"verify_signature": False})
    return claims


@dataclass
class Shop:
    """The edge, storefront with its sidecar, and orders; the test itself speaks for the storefront."""

    edge: Any
    sidecar: Any
    storefront: Any
    orders: Any
    copies: Any
    """Where every request for the storefront goes a second time."""

    @property
    def kept(self) -> Any:
        return self.sidecar.worker.runtime.onward

    async def through(self, *fields: str, path: str = "/graphql") -> bytes:
        """What the storefront gets of a request from outside."""
        answer = await self.edge.raw(asking(path, *fields))
        assert answer.endswith(b"ok"), answer
        head: bytes = self.storefront.seen[-1]
        return head

    async def call(self, text: str, listener: str = "to-orders", *fields: str) -> bytes:
        """What the other side gets of a call that the storefront makes with this token."""
        answer = await self.sidecar.raw(asking("/orders", f"Authorization: Bearer {text}", *fields), listener)
        assert answer.endswith(b"ok"), answer
        head: bytes = self.orders.seen[-1]
        return head


@pytest.fixture
async def start(gateway: Any, upstream: Any, authority: Any) -> Any:
    known = authority()

    def workload(name: str) -> Workload:
        made, files = Workload(SHOP + name), known.issue(name, uri=SHOP + name)
        made.install(files.cert.read_bytes(), files.key.read_bytes(), known.file.read_bytes())
        return made

    async def serve(_: web.Request) -> web.Response:
        return web.Response(text=json.dumps(JWKS))

    app = web.Application()
    app.router.add_get("/jwks", serve)
    async with TestServer(app) as issuer:

        async def start(who: str | None) -> Shop:
            storefront, orders, copies = await upstream(OK), await upstream(OK), await upstream(OK)
            text = SIDECAR.format(app=storefront.address, orders=orders.address, shop=SHOP)
            sidecar = await gateway(text, workload("storefront"))
            address = f"127.0.0.1:{sidecar.ports['inbound']}" if who else storefront.address
            tls = f', tls: {{identity: "{SHOP}storefront"}}' if who else ""
            text = EDGE.format(id=f"127.0.0.1:{issuer.port}", storefront=address, tls=tls, copies=copies.address)
            edge = await gateway(text, workload(who) if who else None)
            provider = edge.worker.snapshot.providers["id"]
            await until(lambda: provider.keys)
            return Shop(edge, sidecar, storefront, orders, copies)

        yield start


USER = f"Authorization: Bearer {token(exp=LATER, scope='orders:read profiles:read admin', roles=['customer'])}"


async def test_in_the_mesh_each_service_gets_a_token_that_is_for_it_alone(start: Any) -> None:
    shop = await start("gateway")
    head = await shop.through(USER)
    own = bearer(head)
    assert b"onward" not in head.lower()
    assert head.count(b"eyJ") == 2  # header and payload of one token
    assert (said(own)["aud"], said(own)["scope"]) == ("storefront", "orders:read profiles:read")
    there = await shop.call(own)
    told = said(bearer(there))
    assert (told["aud"], told["scope"], told["sub"]) == ("orders", "orders:read", "alice")
    assert (told["act"], told["roles"]) == ({"sub": "storefront"}, ["customer"])
    assert told["exp"] == said(own)["exp"]
    assert told["jti"] != said(own)["jti"]
    assert own.encode() not in there


async def test_a_copy_of_the_request_brings_nobody_tokens_for_others(start: Any) -> None:
    shop = await start("gateway")
    own = bearer(await shop.through(USER))
    await until(lambda: shop.copies.seen)
    assert bearer(shop.copies.seen[-1]) == own
    assert b"onward" not in shop.copies.seen[-1].lower()


async def test_who_is_not_named_gets_none(start: Any) -> None:
    shop = await start("gateway")
    own = bearer(await shop.through(USER))
    assert b"authorization" not in (await shop.call(own, "to-others")).lower()


async def test_a_token_that_the_service_has_of_itself_goes_on_as_it_is(start: Any) -> None:
    shop = await start("gateway")
    await shop.through(USER)
    assert bearer(await shop.call("its.own.token")) == "its.own.token"


async def test_without_a_mesh_one_token_names_them_all(start: Any) -> None:
    shop = await start(None)
    head = await shop.through(USER)
    assert said(bearer(head))["aud"] == ["storefront", "orders", "profiles"]
    assert b"onward" not in head.lower()


async def test_nobody_but_the_gateway_brings_tokens_along(start: Any) -> None:
    shop = await start("profiles")
    own = bearer(await shop.through(USER))
    assert len(shop.kept) == 0
    assert bearer(await shop.call(own)) == own


async def test_no_client_and_no_service_can_write_the_line(start: Any) -> None:
    shop = await start("gateway")
    mine = "X-Gatehouse-Onward: until=4000000000, orders=stolen.else.where"
    head = await shop.through("Authorization: Bearer made.up", mine, path="/open")
    assert b"stolen" not in head
    assert len(shop.kept) == 0
    assert b"stolen" not in await shop.call("made.up", "to-orders", mine)


async def test_what_is_kept_ends_with_its_tokens_and_is_bounded(start: Any) -> None:
    shop = await start("gateway")
    own = bearer(await shop.through(USER))
    kept, field, now = shop.kept, f"Bearer {own}".encode(), said(own)["exp"]
    assert kept.take(field, now - 1) is not None
    assert kept.take(field, now) is None
    for number in range(MAX_KEPT + 10):
        kept.keep(b"Bearer %d" % number, b"until=4000000000, orders=a.b.c", now)
    assert kept.take(field, now - 1) is None
    assert len(kept) == MAX_KEPT
    with pytest.raises(ValueError, match="line"):
        kept.keep(b"Bearer x", b"orders=a.b.c", now)
