"""Bodies, addresses and answers that want to hold a worker up, or to be read in two ways."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.filters.openapi_validation import OpenApiValidationFilter
from gateway.filters.strict_json import read_json
from tests.gateway.filters.openapi_filter import answer, asking, errors, filter_for, post, refused, request, taking

LARGE = {"maxBytes": 2_000_000}
SECONDS = 3.0
"""Of processor time, not of the clock: far above what any of these takes (at most 0.3 s here), far below what they
took before they were bounded (from 17 s to days)."""


@contextmanager
def bounded() -> Iterator[None]:
    """Processor time of this process stays below `SECONDS`."""
    before = time.process_time()
    yield
    assert time.process_time() - before < SECONDS


def shop() -> OpenApiValidationFilter:
    line = {"type": "object", "properties": {"product_id": {"type": "integer"}, "quantity": {"type": "integer"}}}
    order = {"properties": {"items": {"type": "array", "items": line}, "note": {"type": "string"}, "price": {}}}
    rules = {"mode": "enforce", "unknownFields": "strip"}
    with TemporaryDirectory() as folder:
        return filter_for(Path(folder), taking(order), strict=True, response=rules)


SHOP = shop()


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b'{"a": 1, "a": 2}', "stands twice"),
        (b'{"a": {"b": 1, "\\u0062": 2}}', "stands twice"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": -Infinity}', "-Infinity is not JSON"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": %b}' % (b"9" * 31), "more than 30 digits"),
        (b'{"a": 1.%b}' % (b"9" * 100_000), None),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'\xef\xbb\xbf{"a": 1}', "not JSON"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        (b'{"a": "\\ud800"}', "half of a character"),
        (b'{"\\uDC00": 1}', "half of a character"),
        (b'{"a": "\\ud83d\\ude00"}', None),
        (b'{"a": 1} {"a": 2}', "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b'{"a": 1,}', "not JSON"),
        (b'{"a": 01}', "not JSON"),
        (b'{"a": "\n"}', "not JSON"),
        (b'{"a": 1 /* */}', "not JSON"),
        (b'{"a": ' + b"[" * 31 + b"]" * 31 + b"}", None),
        (b'{"a": ' + b"[" * 32 + b"]" * 32 + b"}", "deeper than 32"),
        (b'{"a": "' + b"[" * 500 + b'"}', None),
        (b"[" * 500_000, "too deeply"),
        (b'{"a":' * 200_000, "too deeply"),
        (b'["' + b'\\"' * 400_000, "not JSON"),
        (b"[" * 30 + b'{"a' * 200_000, "not JSON"),
        (b"[" * 100_000 + b"]" * 100_000, "too deeply"),
        (b"[" * 500 + b"]" * 500, "deeper than 32"),
        (b"[" + b"[],{}," * 150_000 + b"1]", None),
    ],
)
def test_json_is_read_in_one_way_or_not_at_all(tmp_path: Path, body: bytes, what: str | None) -> None:
    one = filter_for(tmp_path, taking({}), request=LARGE)
    with bounded():
        reply = one.decide(post(body))
    if what is None:
        assert reply is None
    else:
        assert [what in detail for _, detail in errors(reply)] == [True]


MANY = [{"type": "array", "items": {"type": "string"}}, {"type": "array", "items": {"type": "boolean"}}]
BRANCH = [
    {"type": "object", "properties": {"c": {"$ref": "#/components/schemas/Node"}, "x": {}}, "required": ["c"]},
    {"type": "object", "properties": {"c": {"$ref": "#/components/schemas/Node"}, "y": {}}, "required": ["c", "y"]},
    {"type": "string"},
]
NODE = {"$ref": "#/components/schemas/Node"}


def nested(levels: int, innermost: Any) -> Any:
    body = innermost
    for _ in range(levels):
        body = {"c": body, "y": 1}
    return body


@pytest.mark.parametrize("kind", ["oneOf", "anyOf"])
@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("innermost", ["s", 1])
def test_a_schema_that_holds_itself_in_several_ways(tmp_path: Path, kind: str, strict: bool, innermost: Any) -> None:
    """Listing what is wrong with it took the engine 90 s at 18 levels."""
    told = taking(NODE, {"Node": {kind: BRANCH}})
    one = filter_for(tmp_path, told, strict=strict, request=LARGE, response={"mode": "enforce"})
    body = nested(31, innermost)
    with bounded():
        reply = one.decide(post(body))
        asked = post(body)
        one.decide(asked)
        raw = json.dumps(body).encode()
        one.on_answer(asked, answer(raw), raw)
    assert (reply is None) == (kind == "anyOf" and innermost == "s")


@pytest.mark.parametrize(
    ("schema", "body"),
    [
        ({"type": "array", "items": {"type": "string"}}, [1] * 400_000),
        ({"oneOf": MANY}, [1] * 400_000),
        ({"properties": {"x": {"anyOf": MANY}}}, {"x": [1] * 400_000}),
        ({"type": "object", "additionalProperties": False}, {str(number): 1 for number in range(100_000)}),
        ({"type": "array", "uniqueItems": True, "items": {"type": "object"}}, [{"a": n} for n in range(80_000)] + [1]),
        ({"type": "string", "pattern": "^(a+)+$"}, "a" * 1_000_000 + "!"),
        ({"type": "string", "pattern": "(.*)(.*)(.*)(.*)(.*)[^a]$"}, "a" * 500_000),
        ({"type": "string", "format": "email"}, "a@" * 400_000),
        ({"type": "string", "format": "uri"}, "http://" + "a:" * 400_000),
        ({"type": "string", "format": "idn-hostname"}, "\u0301" * 300_000),
        ({"type": "string", "format": "regex"}, "(" * 400_000),
        ({"type": "integer", "multipleOf": 7}, 10**29 + 1),
    ],
    ids=["items", "oneOf", "anyOf", "fields", "unique", "redos", "dots", "email", "uri", "hostname", "regex", "number"],
)
def test_large_bodies_that_do_not_fit(tmp_path: Path, schema: Any, body: Any) -> None:
    """Listing what is wrong with the second took the engine 17 s."""
    one = filter_for(tmp_path, taking(schema), strict=True, request=LARGE)
    with bounded():
        reply = refused(one.decide(post(body)))
    assert 0 < len(reply.errors) <= 10


def test_a_large_body_that_fits(tmp_path: Path) -> None:
    item = {"type": "object", "properties": {"a": {"type": "integer"}}}
    one = filter_for(tmp_path, taking({"type": "array", "items": item}), strict=True, request=LARGE)
    with bounded():
        assert one.decide(post([{"a": number} for number in range(100_000)])) is None


def test_addresses_of_many_parameters(tmp_path: Path) -> None:
    schema = {"type": "array", "items": {"type": "integer"}}
    one = filter_for(tmp_path, asking({"name": "p", "in": "query", "explode": False, "schema": schema}))
    with bounded():
        assert len(refused(one.decide(request("/things?" + "&".join(f"a{n}=1" for n in range(4_000))))).errors) == 10
        assert refused(one.decide(request("/things?p=" + ",".join("x" for _ in range(15_000)))))
        assert refused(one.decide(request("/things" + "/a" * 8_000))).status == 404


def test_halves_of_characters_in_an_address_cannot_be(tmp_path: Path) -> None:
    one = filter_for(tmp_path, asking({"name": "p", "in": "query", "schema": {"type": "string"}}))
    assert errors(one.decide(request("/things?p=%ED%A0%80"))) == [("p", "is not UTF-8")]


def test_depth_is_counted_outside_of_texts_only() -> None:
    assert read_json(b'[["\\"]]]]","[["]]', 2) == [['"]]]]', "[["]]
    with pytest.raises(ValueError, match="deeper"):
        read_json(b'[["\\\\"],[[]]]', 2)


ORDER = b'{"items": [{"product_id": 1, "quantity": 2}], "note": "a\\u00e9\\ud83d\\ude00", "price": -1.5e3}'
PIECES = (
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b"\\ud800",
    b"\\u0000",
    b"\xff",
    b"\0",
    b"1e999",
    b"9" * 40,
    b",",
    b":",
    b"NaN",
    b"-",
)


@given(st.lists(st.tuples(st.integers(0, len(ORDER)), st.integers(0, 8), st.sampled_from(PIECES)), max_size=4))
def test_whatever_comes_is_answered(changes: list[tuple[int, int, bytes]]) -> None:
    body = ORDER
    for place, length, piece in changes:
        body = body[:place] + piece + body[place + length :]
    asked = post(body)
    reply = SHOP.decide(asked)
    assert reply is None or refused(reply).errors
    assert SHOP.explain(asked, refused(reply) if reply else None).encode()
    for status in (200, 404):
        outcome = SHOP.on_answer(asked, answer(body, status), body)
        assert isinstance(outcome, bytes) or refused(outcome).reason == "answer_invalid"
