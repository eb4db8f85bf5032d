"""What clients say to a route with a certain policy, and what the service behind it answers.

The problem: a policy that reads bodies, or wants a proof that is good once, costs nothing on a request that has
neither. The rule: each kind of request is one that the policy lets pass; whatever is good only once is made beforehand,
so that a client's signing is not measured as the gateway's work.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from benchmarks.timing import REPEATS
from benchmarks.work import Work
from gateway.filters.proof import thumbprint

Say = Callable[[], bytes]
"""The next request."""
Ask = Callable[[Work, int], Say]
"""Makes requests: at least as many as are sent when something is measured by rows of that `count`."""

CONFIG = Path(__file__).parent.parent / "config"
HOST = "127.0.0.1:8088"
KEY = "ghk_0a1b2c3d4e5f_" + "A" * 43
NAMESPACE = "https://profiles.shop.example/v1"
QUERY = """query Home { me { username profile { fullName } orders(first: 3) { id total items { quantity unitPrice
    product { name reviews(first: 1) { stars } } } } } }"""
MESSAGE = f"""<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>
    <ReadProfile xmlns="{NAMESPACE}"><username>alice</username></ReadProfile></s:Body></s:Envelope>"""
PROFILE = f"""<?xml version='1.0' encoding='UTF-8'?>
<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body><p:ReadProfileResponse
xmlns:p="{NAMESPACE}"><p:profile><p:username>alice</p:username><p:fullName>Alice Archer</p:fullName>
<p:email>alice@shop.example</p:email><p:phone>+41441234567</p:phone><p:street>Main Street 1</p:street>
<p:city>Zurich</p:city><p:postcode>8001</p:postcode><p:country>CH</p:country><p:loyaltyPoints>120</p:loyaltyPoints><p:version>1</p:version>
</p:profile></p:ReadProfileResponse></soap:Body></soap:Envelope>"""
ITEM = {"id": "1", "name": "A lamp", "price": 4900, "currency": "EUR", "rating": {"average": 4.5, "count": 12}}
FRONT = {"data": {"products": {"items": [ITEM] * 10, "pageInfo": {"hasNextPage": True, "endCursor": "eyJhIjoxfQ"}}}}
WEBHOOK = '{"type":"payment.settled","timestamp":"2026-11-20T12:00:00Z","data":{"order":1001,"amount":4900}}'
SECRET = base64.b64encode(b"benchmarks sign webhooks with it").decode()


def answer(body: str, kind: str = "application/json") -> bytes:
    """A service's answer."""
    fields = f"Date: Fri, 20 Nov 2026 12:00:00 GMT\r\nContent-Type: {kind}\r\nContent-Length: {len(body.encode())}"
    return f"HTTP/1.1 200 OK\r\n{fields}\r\n\r\n{body}".encode()


def request(line: str, *fields: str, body: str = "") -> bytes:
    """A request's bytes."""
    length = (f"Content-Length: {len(body.encode())}",) if body else ()
    return "\r\n".join((f"{line} HTTP/1.1", f"Host: {HOST}", *fields, *length, "", body)).encode()


def reading(path: str) -> Ask:
    """A browser with a session, a key and a token, again and again."""

    def make(work: Work, count: int) -> Say:
        said = request(
            f"GET {path}", "Origin: https://shop.example", "Sec-Fetch-Site: same-origin", "Cookie: session=1",
            f"X-API-Key: {KEY}", "Accept-Encoding: gzip", f"Authorization: Bearer {work.token}",
        )  # fmt: skip
        return lambda: said

    return make


def graphql(work: Work, count: int) -> Say:
    """The same operation again and again."""
    fields = ("Content-Type: application/json", f"Authorization: Bearer {work.token}")
    said = request("POST /graphql", *fields, body=json.dumps({"query": QUERY}))
    return lambda: said


def soap(work: Work, count: int) -> Say:
    """The same message again and again."""
    action = f'SOAPAction: "{NAMESPACE}/ReadProfile"'
    said = request("POST /soap", "Content-Type: text/xml", action, f"Authorization: Bearer {work.token}", body=MESSAGE)
    return lambda: said


def webhook(work: Work, count: int) -> Say:
    """Each with an id of its own, signed (Standard Webhooks 1.0.0)."""
    now, key = int(time.time()), base64.b64decode(SECRET)

    def one(number: int) -> bytes:
        signed = f"msg_{number}.{now}.{WEBHOOK}".encode()
        signature = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
        said = (f"webhook-id: msg_{number}", f"webhook-timestamp: {now}", f"webhook-signature: v1,{signature}")
        return request("POST /hooks", "Content-Type: application/json", *said, body=WEBHOOK)

    return _each_once(one, count)


def proved(work: Work, count: int) -> Say:
    """A token that is bound to the client's key, and each time a new proof (RFC 9449)."""
    return _with_proof(work, count, bound=True)


def unproved(work: Work, count: int) -> Say:
    """As many bytes, but the token is bound to nothing, so nobody asks for the proof."""
    return _with_proof(work, count, bound=False)


def _with_proof(work: Work, count: int, *, bound: bool) -> Say:
    key = ec.generate_private_key(ec.SECP256R1())
    public = json.loads(ECAlgorithm.to_jwk(key.public_key()))
    token = work.sign("alice", **({"cnf": {"jkt": thumbprint(public)}} if bound else {}))
    ath = base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).rstrip(b"=").decode()
    said = {"htm": "GET", "htu": f"http://{HOST}/orders/1", "iat": int(time.time()), "ath": ath}
    scheme = "DPoP" if bound else "Bearer"

    def one(number: int) -> bytes:
        claims = {**said, "jti": secrets.token_urlsafe(12)}
        proof = jwt.encode(claims, key, "ES256", headers={"typ": "dpop+jwt", "jwk": public})
        return request("GET /orders/1", f"Authorization: {scheme} {token}", f"DPoP: {proof}")

    return _each_once(one, count)


def _each_once(one: Callable[[int], bytes], count: int) -> Say:
    made = [one(number) for number in range(count * REPEATS + 1)]  # and one to see that it passes
    return iter(made).__next__
