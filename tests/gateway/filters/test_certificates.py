"""Clients that prove who they are by a certificate: rules that ask for one, tokens that belong to one."""

from __future__ import annotations

import asyncio
import hashlib
import json
import ssl
import time
from base64 import urlsafe_b64encode
from typing import Any

import pytest

from gateway.compile.load import load_text
from gateway.filters.binding import binding_of, bindings
from gateway.filters.jose import BadToken
from gateway.filters.provider import read_keys
from gateway.spec.errors import SpecErrors
from tests.gateway.filters.tokens import ALGORITHMS, JWKS, RSA, token

ORDERS = "spiffe://gatehouse.local/ns/shop/sa/orders"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

CONFIG = """
listeners:
  - name: public
    port: 0
    tls:
      certificates: [{{cert: "{cert}", key: "{key}"}}]
      clientCertificates: {{ca: "{ca}", mode: optional}}
clusters: [{{name: shop, endpoints: ["{address}"]}}]
providers: [{{name: id, issuer: "https://id.test", audiences: [shop], jwks: {{cluster: shop, path: /jwks}}}}]
routes:
  - name: peers
    matches: [{{path: {{value: /peers}}}}]
    filters: [{{type: AuthorizationPolicy, allow: [{{name: orders, principals: ["{orders}"]}}]}}]
    backendRefs: [{{cluster: shop}}]
  - name: bound
    matches: [{{path: {{value: /bound}}}}]
    filters: [{{type: JWT, provider: id, certificateBound: true}}]
    backendRefs: [{{cluster: shop}}]
  - name: any
    matches: [{{path: {{value: /any}}}}]
    filters: [{{type: JWT, provider: id}}]
    backendRefs: [{{cluster: shop}}]
"""


def thumbprint(pem: str) -> str:
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).digest()
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


class Shop:
    """A gateway with TLS, and clients with certificates of their own."""

    def __init__(self, edge: Any, authority: Any) -> None:
        self.edge, self.ca = edge, authority
        self.orders = authority.issue("orders", uri=ORDERS)
        self.rival = authority.issue("rival", uri="spiffe://gatehouse.local/ns/shop/sa/rival")

    async def reason(self, path: str, own: Any = None, bearer: str = "") -> str | None:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.edge.ports["public"], ssl=self.ca.client(own), server_hostname="shop.example"
        )
        fields = f"Authorization: Bearer {bearer}\r\n" if bearer else ""
        writer.write(f"GET {path} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n{fields}\r\n".encode())
        answer = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        body = answer.partition(b"\r\n\r\n")[2]
        return None if body == b"ok" else json.loads(body)["reason"]


@pytest.fixture
async def shop(upstream: Any, gateway: Any, authority: Any) -> Shop:
    ca, server = authority(), await upstream(OK)
    files = ca.issue("shop", ["shop.example"])
    given = {"cert": files.cert, "key": files.key, "ca": ca.file, "address": server.address, "orders": ORDERS}
    edge = await gateway(CONFIG.format(**given))
    provider = edge.worker.snapshot.providers["id"]
    provider.keys, provider.generation = read_keys(json.dumps(JWKS).encode(), ALGORITHMS), 1
    return Shop(edge, ca)


async def test_a_rule_asks_for_a_certificate(shop: Shop) -> None:
    assert await shop.reason("/peers", shop.orders) is None
    assert await shop.reason("/peers", shop.rival) == "policy_not_allowed"
    assert await shop.reason("/peers") == "policy_not_allowed"


def fresh(**claims: Any) -> str:
    return token(RSA, exp=int(time.time()) + 600, **claims)


async def test_a_bound_token_is_good_for_its_holder_only(shop: Shop) -> None:
    bound = fresh(cnf={"x5t#S256": thumbprint(shop.orders.cert.read_text())})
    for path in ("/bound", "/any"):
        for _ in range(2):  # the second time from the cache
            assert await shop.reason(path, shop.orders, bound) is None
            assert await shop.reason(path, shop.rival, bound) == "token_binding"
            assert await shop.reason(path, None, bound) == "token_binding"


async def test_a_route_may_want_bound_tokens(shop: Shop) -> None:
    assert await shop.reason("/any", shop.orders, fresh()) is None
    assert await shop.reason("/bound", shop.orders, fresh()) == "token_not_bound"


@pytest.mark.parametrize(
    "confirmation",
    [
        {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"},
        {"x5t#S256": "a", "jkt": "b"},
        {"x5t#S256": 7},
        {"x5t#S256": "é"},
        {},
        "a",
        False,
    ],
    ids=str,
)
@pytest.mark.parametrize("required", [True, False])
def test_a_binding_that_is_not_understood_is_refused(confirmation: Any, required: bool) -> None:
    with pytest.raises(BadToken) as caught:
        binding_of({"cnf": confirmation}, bindings(required, dpop=False))
    assert caught.value.reason == "token_binding_unknown"


PLAIN = """
listeners: [{name: public, port: 0}]
clusters: [{name: shop, endpoints: ["127.0.0.1:9"]}]
providers: [{name: id, issuer: "https://id.test", audiences: [shop], jwks: {cluster: shop, path: /jwks}}]
routes:
  - name: shop
    backendRefs: [{cluster: shop}]
    filters:
      - """


@pytest.mark.parametrize(
    "item",
    [
        "{type: JWT, provider: id, certificateBound: true}",
        "{type: AuthorizationPolicy, allow: [{name: peers, principals: ['*']}]}",
    ],
)
def test_where_nobody_asks_for_certificates_none_can_be_wanted(item: str) -> None:
    with pytest.raises(SpecErrors, match=r"shop\.yaml:9:9: no listener of route shop asks clients for a certificate"):
        load_text(PLAIN + item + "\n", "shop.yaml", {})
