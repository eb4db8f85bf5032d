"""Malformed JSON, XML, GraphQL, forms, tokens and addresses, to every service through the gateway.

The rule: whose mistake it was decides the status, so broken input gets a 4xx in the style of the API, with a reason;
never a 500 and never a stack trace. Each kind of input is a table of what is known to break parsers.
"""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

pytestmark = pytest.mark.whole_system

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
HOSTILE_JSON = {
    "nothing": b"",
    "cut off": b'{"items": [',
    "null": b"null",
    "a text": b'"items"',
    "a list": b"[]",
    "a number too large to be one": b"1" + b"0" * 5000,
    "not a number": b'{"items": NaN}',
    "infinity": b'{"items": [{"product_id": 1e999, "quantity": 1}]}',
    "more than 64 bits": b'{"items": [{"product_id": 18446744073709551617, "quantity": 1}]}',
    "deep": b"[" * 100_000,
    "deep, and closed": b'{"items":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "no UTF-8": b'{"items": "\xff\xfe"}',
    "half a surrogate pair": b'{"items": "\\ud800", "username": "\\ud800", "password": "\\udfff", "query": "\\ud800"}',
    "NUL": b'{"items": "\\u0000", "username": "\\u0000", "password": "\\u0000", "query": "\\u0000"}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"items": []}'.encode("utf-16"),
    "a name twice": b'{"items": 1, "items": 2}',
    "XML": b"<order/>",
    "too large": b'{"items": "' + b"x" * 1_200_000 + b'"}',
}
JSON_PATHS = ["/orders", "/auth/login", "/profiles"]
DECLARED = [
    {"Content-Type": "text/plain"},
    {"Content-Type": "application/json; charset=no-such-charset"},
    {"Content-Type": "application/json; charset=utf-16"},
    {"Content-Type": "\xe4"},
    {"Content-Type": JSON, "Content-Encoding": "gzip"},
    {"Content-Type": JSON, "Content-Encoding": "deflate"},
    {"Content-Type": JSON, "Content-Encoding": "no-such-coding"},
    {"Content-Type": "multipart/form-data"},
    {"Content-Type": "multipart/form-data; boundary="},
]


def refused(answer: Any, media_type: str = "application/problem+json") -> None:
    """A client's mistake, told in the API's style, without looking like the inside of a program."""
    assert 400 <= answer.status < 500, (answer.status, answer.body[:500])
    assert answer.status != 429, "the limit decided, so nothing was tested"
    assert answer.type == media_type, answer.body[:500]
    assert answer.body.count(b"<" if media_type == "text/xml" else b"{")
    for inside in (b"Traceback", b'File "', b"site-packages", b"sqlite3", b"Error("):
        assert inside not in answer.body


@pytest.mark.parametrize("path", JSON_PATHS)
@pytest.mark.parametrize("body", HOSTILE_JSON.values(), ids=HOSTILE_JSON.keys())
def test_json(shop: Any, path: str, body: bytes) -> None:
    token = shop.token("carol" if path.endswith("recover") else "admin")
    if path.endswith("recover") and not body:
        pytest.skip("the body of a recovery is optional")
    answer = shop.send("POST", path, token=token, body=body, headers={"Content-Type": JSON})
    refused(answer)
    assert answer.json()["reason"]


@pytest.mark.parametrize("path", JSON_PATHS)
@pytest.mark.parametrize("headers", DECLARED, ids=lambda headers: " ".join(headers.values()))
def test_json_that_is_declared_as_something_else(shop: Any, path: str, headers: dict[str, str]) -> None:
    token = shop.token("carol" if path.endswith("recover") else "admin")
    refused(shop.send("POST", path, token=token, body=b'{"items": [}', headers=headers))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"grant_type",
        b"grant_type=password&username=alice&password=x",
        b"grant_type=client_credentials&grant_type=refresh_token",
        b"grant_type=refresh_token&refresh_token=%00%ff",
        b"grant_type=refresh_token&refresh_token=" + b"a" * 10_000,
        b"grant_type=client_credentials&client_id=%ff%fe&client_secret=%ff",
        b"grant_type=client_credentials&client_id=partner&client_secret=%F0%9F%92%A9&scope=%00",
        b"&".join(b"a%d=b" % number for number in range(5000)),
        b"\x00\xff",
        b"%" * 1000,
    ],
    ids=range(11),
)
@pytest.mark.parametrize("basic", [None, "", "\xff", "a:b", "Og==", base64.b64encode(b"\xff:\x00").decode()])
def test_forms(shop: Any, body: bytes, basic: str | None) -> None:
    for path in ("/auth/token", "/auth/revoke"):
        headers = {"Content-Type": FORM} | ({"Authorization": f"Basic {basic}"} if basic is not None else {})
        answer = shop.send("POST", path, body=body, headers=headers)
        refused(answer, JSON)  # RFC 6749 section 5.2 has its own form
        assert answer.json()["error"]


HOSTILE_GRAPHQL: list[Any] = [
    {},
    [],
    [{"query": "{ __typename }"}],
    {"query": 1},
    {"query": ""},
    {"query": "{"},
    {"query": "{" * 5000},
    {"query": "{ products { nodes { id } }"},
    {"query": "{ nothing }"},
    {"query": "query A { __typename } query B { __typename }"},
    {"query": "query A { __typename }", "operationName": "B"},
    {"query": "query A { __typename }", "operationName": 1},
    {"query": "query ($n: Int!) { products(first: $n) { nodes { id } } }"},
    {"query": "query ($n: Int!) { products(first: $n) { nodes { id } } }", "variables": {"n": "x"}},
    {"query": "query ($n: Int!) { products(first: $n) { nodes { id } } }", "variables": {"n": 2**40}},
    {"query": "query ($n: Int!) { products(first: $n) { nodes { id } } }", "variables": [1]},
    {"query": "query ($n: Int!) { products(first: $n) { nodes { id } } }", "variables": {"n": {"n": [None]}}},
    {"query": "{ product(id: {}) { id } }"},
    {"query": "{ products(first: 1e999) { nodes { id } } }"},
    {"query": "{ products(first: 99999999999999999999999) { nodes { id } } }"},
    {"query": "fragment A on Query { ...A } { ...A }"},
    {"query": "{ " + " ".join(f"a{n}: __typename" for n in range(300)) + " }"},
    {
        "query": "{ product(id: 1) { reviews { product { reviews { product { reviews { product {" * 2
        + " id "
        + "} " * 14
    },
    {"query": "subscription { products { nodes { id } } }"},
    {"query": "{ __typename @nothing }"},
    {"query": "{ __typename @skip(if: 3) }"},
    {"query": '{ product(id: "\\uZZZZ") { id } }'},
    {"query": "\ufeff\u2028{"},
    {"query": "mutation { placeOrder(items: []) { id } addReview { id } }"},
]
GRAPHQL_VALUES = [
    '{ product(id: "%s") { id } }',
    '{ order(id: "%s") { id } }',
    '{ products(after: "%s") { nodes { id } } }',
    '{ reviews(productId: "%s") { text } }',
    'mutation { cancelOrder(id: "%s") { id } }',
    'mutation { addReview(productId: "%s", stars: 3, text: "x") { stars } }',
    'mutation { placeOrder(items: [{productId: "%s", quantity: -1}]) { id } }',
    'mutation { placeOrder(items: [{productId: "1"}], idempotencyKey: "%s") { id } }',
]
VALUES = [
    "",
    "x",
    "-1",
    "0",
    "9" * 25,
    "1 OR 1=1",
    "../../metrics",
    "1?limit=1",
    "\\u0000",
    "%00",
    "\\ud800",
    "é",
    "a\\n",
]


@pytest.mark.parametrize("accept", ["application/graphql-response+json", JSON])
@pytest.mark.parametrize("request_body", HOSTILE_GRAPHQL, ids=range(len(HOSTILE_GRAPHQL)))
def test_graphql(shop: Any, accept: str, request_body: Any) -> None:
    token = shop.token("bob" if accept == JSON else "alice")
    answer = shop.send("POST", "/graphql", token=token, json=request_body, headers={"Accept": accept})
    well_formed = isinstance(request_body, dict) and isinstance(request_body.get("query"), str)
    if accept == JSON and well_formed and answer.status == 200:
        assert answer.type == JSON  # GraphQL over HTTP section 6.4.1: this media type says 200 and errors
    else:
        refused(answer, accept)
    assert answer.json()["errors"]
    assert "data" not in answer.json() or answer.json()["data"] is None


@pytest.mark.parametrize("body", HOSTILE_JSON.values(), ids=HOSTILE_JSON.keys())
def test_graphql_that_is_no_json(shop: Any, body: bytes) -> None:
    answer = shop.send("POST", "/graphql", token=shop.token("carol"), body=body, headers={"Content-Type": JSON})
    refused(answer, "application/graphql-response+json")
    assert answer.json()["errors"][0]["message"]


@pytest.mark.parametrize("query", GRAPHQL_VALUES, ids=lambda query: query.split("(")[0])
def test_values_inside_graphql(shop: Any, query: str) -> None:
    token = shop.token(shop.new_user())
    for value in VALUES:
        answer = shop.send("POST", "/graphql", token=token, json={"query": query % value})
        assert answer.status in (200, 400), (value, answer.body)
        for error in answer.json().get("errors", []):
            assert error["extensions"].get("reason") not in ("internal_error", "upstream_error", None), (value, error)


def soap(inside: str, before: str = "") -> bytes:
    envelope = "http://schemas.xmlsoap.org/soap/envelope/"
    return f'{before}<s:Envelope xmlns:s="{envelope}"><s:Body>{inside}</s:Body></s:Envelope>'.encode()


READ = '<ReadProfile xmlns="https://profiles.shop.example/v1"><username>%s</username></ReadProfile>'
LAUGHS = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]>'
HOSTILE_XML = {
    "nothing": b"",
    "no XML": b"{}",
    "cut off": soap(READ % "alice")[:-20],
    "another root": b"<a/>",
    "SOAP 1.2": soap(READ % "alice").replace(
        b"schemas.xmlsoap.org/soap/envelope/", b"www.w3.org/2003/05/soap-envelope"
    ),
    "an empty body": soap(""),
    "two operations": soap(READ % "alice" + READ % "alice"),
    "an unknown operation": soap('<Burn xmlns="https://profiles.shop.example/v1"/>'),
    "another namespace": soap("<ReadProfile><username>alice</username></ReadProfile>"),
    "an external entity": soap(READ % "&x;", '<!DOCTYPE x [<!ENTITY x SYSTEM "file:///etc/passwd">]>'),
    "an external DTD": soap(READ % "alice", '<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd">'),
    "an entity bomb": soap(READ % "&c;", LAUGHS),
    "an unknown entity": soap(READ % "&x;"),
    "a processing instruction": soap("<?php 1 ?>" + READ % "alice"),
    "deep": soap("<a>" * 5000 + "</a>" * 5000),
    "not closed, deep": soap("<a>" * 20000),
    "large": soap(READ % ("a" * 200_000)),
    "NUL": soap(READ % "\0"),
    "a forbidden character": soap(READ % "&#0;"),
    "no UTF-8": soap(READ % "X").replace(b"X", b"\xff"),
    "UTF-16": soap(READ % "alice").decode().encode("utf-16"),
    "a lie about the encoding": soap(READ % "alice", '<?xml version="1.0" encoding="no-such-encoding"?><!-- -->'),
    "a bad name": soap(READ % "../../etc"),
    "an element inside": soap(READ % "<x>alice</x>"),
    "too many attributes": soap("<a " + " ".join(f'a{n}=""' for n in range(5000)) + "/>"),
    "an undeclared prefix": soap("<x:ReadProfile/>"),
}
LENIENT = {"a lie about the encoding"}  # RFC 7303 section 3.2: the charset of the Content-Type wins


@pytest.mark.parametrize("name", HOSTILE_XML.keys())
def test_xml(shop: Any, name: str) -> None:
    headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '""'}
    answer = shop.send("POST", "/profiles/soap", token=shop.token("alice"), body=HOSTILE_XML[name], headers=headers)
    if name in LENIENT and answer.status == 200:
        return
    refused(answer, "text/xml")
    assert (b"VersionMismatch<" if name == "SOAP 1.2" else b"Client</faultcode>") in answer.body
    assert b"root:" not in answer.body  # nothing of /etc/passwd


@pytest.mark.parametrize("media_type", ["application/json", "application/soap+xml", "text/xml; charset=utf-7", "\xff"])
def test_xml_that_is_declared_as_something_else(shop: Any, media_type: str) -> None:
    body = soap(READ % "alice")
    headers = {"Content-Type": media_type}
    refused(shop.send("POST", "/profiles/soap", token=shop.token("alice"), body=body, headers=headers), "text/xml")


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
def test_tokens(shop: Any, alice: str, method: str, path: str, style: str) -> None:
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
def test_addresses(shop: Any, address: str) -> None:
    target = address.encode("latin-1").replace(b" ", b"%20")
    head = b"GET %b HTTP/1.1\r\nHost: shop\r\nAuthorization: Bearer %b\r\nConnection: close\r\n\r\n"
    answer = shop.raw(head % (target, shop.token("admin").encode()))
    status = int(answer.split(b" ", 2)[1])
    assert 400 <= status < 500, answer
    assert status != 429
    assert b"\r\ncontent-type: application/problem+json\r\n" in answer.lower(), answer
