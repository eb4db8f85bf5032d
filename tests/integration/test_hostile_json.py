"""Malformed JSON and forms, to every service that reads them, through the gateway.

The rule for all `test_hostile_*`: whose mistake it was decides the status, so broken input gets a 4xx in the style
of the API, with a reason; never a 500 and never a stack trace. Each kind of input is a table of what is known to
break parsers.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.whole_system

Refused = Callable[..., None]
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


@pytest.mark.parametrize("path", JSON_PATHS)
@pytest.mark.parametrize("body", HOSTILE_JSON.values(), ids=HOSTILE_JSON.keys())
def test_json(shop: Any, refused: Refused, path: str, body: bytes) -> None:
    """By the gateway, where it holds to a description, and by the service itself."""
    token, service = shop.token("admin"), path.strip("/")
    for port in (None, shop.ports[service]) if service in shop.ports else (None,):
        answer = shop.send("POST", path, token=token, body=body, headers={"Content-Type": JSON}, port=port)
        refused(answer)
        assert answer.json()["reason"]


@pytest.mark.parametrize("body", HOSTILE_JSON.values(), ids=HOSTILE_JSON.keys())
def test_graphql_that_is_no_json(shop: Any, refused: Refused, body: bytes) -> None:
    """By the gateway's guard, and by the service itself."""
    for port, media_type in ((None, JSON), (shop.ports["storefront"], "application/graphql-response+json")):
        headers = {"Content-Type": JSON}
        answer = shop.send("POST", "/graphql", token=shop.token("carol"), body=body, headers=headers, port=port)
        refused(answer, media_type)
        assert answer.json()["errors"][0]["message"]


@pytest.mark.parametrize("path", JSON_PATHS)
@pytest.mark.parametrize("headers", DECLARED, ids=lambda headers: " ".join(headers.values()))
def test_json_under_a_false_name(shop: Any, refused: Refused, path: str, headers: dict[str, str]) -> None:
    body = b'{"items": [}'
    refused(shop.send("POST", path, token=shop.token("admin"), body=body, headers=headers))


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
def test_forms(shop: Any, refused: Refused, body: bytes, basic: str | None) -> None:
    for path in ("/auth/token", "/auth/revoke"):
        headers = {"Content-Type": FORM} | ({"Authorization": f"Basic {basic}"} if basic is not None else {})
        answer = shop.send("POST", path, body=body, headers=headers)
        refused(answer, JSON)  # RFC 6749 section 5.2 has its own form
        assert answer.json()["error"]
