"""Tokens that nobody issued, and addresses that lead nowhere."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

pytestmark = pytest.mark.whole_system

Refused = Callable[..., None]

JSON = "application/json"


def hostile_tokens(good: str) -> dict[str, str]:
    header, payload, signature = good.split(".")
    claims = jwt.decode(good, options={"verify_signature": False})
    fields = jwt.get_unverified_header(good)
    own = ed25519.Ed25519PrivateKey.generate()

    def unsigned(**changes: Any) -> str:
        text = json.dumps({**fields, **changes}).encode()
        return base64.urlsafe_b64encode(text).decode().rstrip("=")

    return {
        "nothing": "",
        "no token": "x",
        "dots": "..",
        "more dots": "." * 5000,
        "no signature": f"{header}.{payload}.",
        "another signature": f"{header}.{payload}.{signature[::-1]}",
        "a signature written in another way": f"{good}=",
        "another payload": f"{header}.{payload[::-1]}.{signature}",
        "no algorithm": f"{unsigned(alg='none')}.{payload}.",
        "no algorithm, spelt oddly": f"{unsigned(alg='nOnE')}.{payload}.",
        "an algorithm that is no text": f"{unsigned(alg=[1])}.{payload}.{signature}",
        "a key id that is no text": f"{unsigned(kid={'a': 1})}.{payload}.{signature}",
        "an unknown key": f"{unsigned(kid='../../../etc/passwd')}.{payload}.{signature}",
        "unknown critical fields": f"{unsigned(crit=['x'], x=1)}.{payload}.{signature}",
        "signed by the client": jwt.encode(claims, own, "EdDSA", headers={"kid": fields["kid"]}),
        "a shared secret": jwt.encode(claims, "k" * 64, "HS256", headers={"kid": fields["kid"]}),
        "a header that is no JSON": "AAAA.AAAA.AAAA",
        "a header that is a list": f"W10.{payload}.{signature}",
        "deep": base64.urlsafe_b64encode(b"[" * 3000).decode().rstrip("=") + f".{payload}.{signature}",
        "no text": "\xff\xfe.\xff.\xff",
        "expired": jwt.encode(claims | {"exp": int(time.time()) - 3600}, own, "EdDSA", headers={"kid": fields["kid"]}),
    }


STYLES = [
    ("GET", "/orders/1001", "application/problem+json"),
    ("GET", "/profiles/alice", "application/problem+json"),
    ("POST", "/profiles/soap", "text/xml"),
    ("POST", "/graphql", JSON),
]


@pytest.mark.parametrize(("method", "path", "style"), STYLES, ids=[path for _, path, _ in STYLES])
def test_tokens(shop: Any, refused: Refused, alice: str, method: str, path: str, style: str) -> None:
    body = None if method == "GET" else b"{}"
    for name, token in hostile_tokens(alice).items():
        answer = shop.send(method, path, token=token, body=body)
        assert answer.status == 401, (name, answer)
        refused(answer, style)
        assert answer.headers["www-authenticate"].startswith("Bearer"), name
    good = f"Bearer {alice}"
    for value in (
        "Bearer",
        "bearer  ",
        f"Basic {alice}",
        alice,
        f"{good}, {good}",
        f"{good} x",
        f"Bearer Bearer {alice}",
    ):
        answer = shop.send(method, path, body=body, headers={"Authorization": value})
        assert answer.status in (400, 401), (value[:20], answer)
        refused(answer, style)


ADDRESSES = [
    "/orders/0", "/orders/-1", "/orders/1e3", "/orders/" + "9" * 400, "/orders/%F0%9F%92%A9", "/orders/%FF%FE",
    "/orders/1001%20", "/orders/%C2%B2", "/orders/1001/", "/orders/1001;x", "/orders/%3C%3E", "/orders/1001/x/y",
    "/orders?limit=0", "/orders?limit=x", "/orders?limit=99999999999999999999", "/orders?limit=1&limit=2",
    "/orders?limit=%FF", "/orders?cursor=-1", "/orders?cursor=%00", "/orders?ids=,", "/orders?ids=1,x",
    "/orders?ids=" + ",".join("1" for _ in range(2000)), "/orders?customer=%00", "/orders?customer=' OR '1'='1",
    "/orders?limit[]=1", "/orders?unknown=1", "/products/x", "/products/%FF", "/products/1/2", "/products?limit=-5",
    "/profiles/%FF%FE", "/profiles/..%00", "/profiles/%00", "/profiles/" + "a" * 3000, "/profiles/A%20B",
    "/profiles?usernames=", "/profiles", "/profiles?usernames=" + ",".join(f"a{n}" for n in range(500)),
    "/static/", "/static/%FF", "/static/nothing.css", "/static/shop.css/x", "/static/%2e%2e/schema.graphql",
    "/static/..%5cschema.graphql", "/auth/jwks.json/x", "/%", "/%zz", "/\xff",
]  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES, ids=lambda address: address[:40])
def test_addresses(shop: Any, refused: Refused, address: str) -> None:
    target = address.encode("latin-1").replace(b" ", b"%20")
    head = b"GET %b HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer %b\r\nConnection: close\r\n\r\n"
    answer = shop.raw(head % (target, shop.token("admin").encode()))
    status = int(answer.split(b" ", 2)[1])
    assert 400 <= status < 500, answer
    assert status != 429
    assert b"\r\ncontent-type: application/problem+json\r\n" in answer.lower(), answer
