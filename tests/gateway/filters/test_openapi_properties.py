"""Generated schemas and values: what a schema allows passes, what it does not is refused with a place that exists.

A small language of schemas is drawn together with values that fit them; a reference implementation of JSON Schema
(`jsonschema`) judges values that were changed.
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from gateway.http.messages import Reply
from tests.gateway.filters.openapi_filter import answer, asking, filter_for, post, request, taking

NAMES = st.sampled_from(["a", "b", "c~d", "e/f", "ä"])
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
Pair = tuple[dict[str, Any], Any]
"""A schema and a value that fits it."""


@st.composite
def integers(draw: Any) -> Pair:
    value = draw(st.integers(-1_000, 1_000))
    low, high = value - draw(st.integers(0, 5)), value + draw(st.integers(0, 5))
    return {"type": "integer", "minimum": low, "maximum": high}, value


@st.composite
def texts(draw: Any) -> Pair:
    value = draw(TEXT)
    return {"type": "string", "minLength": max(0, len(value) - 1), "maxLength": len(value) + 1}, value


@st.composite
def choices(draw: Any) -> Pair:
    values = draw(st.lists(TEXT, min_size=1, max_size=3, unique=True))
    return {"enum": values}, draw(st.sampled_from(values))


@st.composite
def lists(draw: Any, below: Any) -> Pair:
    schema, value = draw(below)
    values = [value] * draw(st.integers(0, 3))
    return {"type": "array", "items": schema, "maxItems": len(values) + draw(st.integers(0, 1))}, values


@st.composite
def objects(draw: Any, below: Any) -> Pair:
    fields = draw(st.dictionaries(NAMES, below, max_size=4))
    required = [name for name in fields if draw(st.booleans())]
    value = {name: one for name, (_, one) in fields.items() if name in required or draw(st.booleans())}
    schema = {"type": "object", "properties": {name: one for name, (one, _) in fields.items()}, "required": required}
    return schema | ({"additionalProperties": False} if draw(st.booleans()) else {}), value


@st.composite
def unions(draw: Any, below: Any) -> Pair:
    (one, value), (other, _) = draw(below), draw(below)
    return {
        draw(st.sampled_from(["anyOf", "allOf"])): [one] if draw(st.booleans()) else [one, {}],
        "x-not": other,
    }, value


PAIRS = st.recursive(
    st.one_of(integers(), texts(), choices(), st.just(({"type": "boolean"}, True)), st.just(({"type": "null"}, None))),
    lambda below: st.one_of(lists(below), objects(below), unions(below)),
    max_leaves=8,
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-2_000, 2_000) | TEXT,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(NAMES, below, max_size=3),
    max_leaves=6,
)


def decide(schema: Any, body: Any, **keys: Any) -> Any:
    with TemporaryDirectory() as folder:
        return filter_for(Path(folder), taking(schema), **keys).decide(post(body))


@settings(max_examples=60, deadline=None)
@given(PAIRS)
def test_what_a_schema_allows_passes(pair: Pair) -> None:
    assert decide(*pair) is None
    assert decide(*pair, strict=True) is None


@settings(max_examples=120, deadline=None)
@given(PAIRS, ANYTHING, st.integers(0, 20))
def test_the_reference_says_the_same_of_changed_values(pair: Pair, other: Any, place: int) -> None:
    schema, value = pair
    changed = replaced(value, other, place)
    expected = Draft202012Validator(schema).is_valid(changed)
    reply = decide(schema, changed)
    assert (reply is None) == expected
    if reply is not None:
        assert isinstance(reply, Reply)
        assert reply.errors
        for flaw in reply.errors:
            resolve(changed, flaw.pointer)


def replaced(value: Any, other: Any, place: int) -> Any:
    """The value with one part of it exchanged: itself, or one of those below."""
    if place == 0 or not isinstance(value, list | dict) or not value:
        return other
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    chosen = keys[place % len(keys)]
    made = value.copy()
    made[chosen] = replaced(value[chosen], other, place // 2)
    return made


def resolve(value: Any, pointer: str) -> Any:
    """What a pointer of an error leads to; KeyError if it leads nowhere."""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


@settings(max_examples=60, deadline=None)
@given(PAIRS, NAMES, ANYTHING)
def test_strip_leaves_what_fits_and_only_that(pair: Pair, name: str, more: Any) -> None:
    """An object of named fields: whatever is added is gone, and what was there before still is."""
    schema = {"type": "object", "properties": {"known": pair[0]}}
    with TemporaryDirectory() as folder:
        rules = {"mode": "enforce", "unknownFields": "strip"}
        one = filter_for(Path(folder), taking(schema), strict=True, response=rules)
        assert one._answers is not None
        asked = post({})
        one.decide(asked)
        body = json.dumps({"known": pair[1], name: more}).encode()
        assert json.loads(one.on_answer(asked, answer(body), body)) == {"known": pair[1]}  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(-1_000, 1_000), min_size=1, max_size=5),
    st.booleans(),
    st.sampled_from(["a", "1.5", "", "true"]),
)
def test_lists_in_a_query(values: list[int], explode: bool, wrong: str) -> None:
    schema = {"type": "array", "items": {"type": "integer"}}
    with TemporaryDirectory() as folder:
        one = filter_for(Path(folder), asking({"name": "p", "in": "query", "explode": explode, "schema": schema}))
        for last, passes in ((values[-1], True), (wrong, False)):
            items = [*map(str, values[:-1]), str(last)]
            query = "&".join(f"p={item}" for item in items) if explode else f"p={','.join(items)}"
            expected = passes or (wrong == "" and len(items) == 1 and not explode)  # an empty list
            assert (one.decide(request(f"/things?{query}")) is None) == expected


@settings(max_examples=60, deadline=None)
@given(TEXT.filter(lambda text: text.isprintable() and text not in ("", ".", "..") and not set(text) & set("/\\")))
def test_texts_come_out_of_an_address_as_they_went_in(text: str) -> None:
    schema = {"const": text}
    in_path, in_query = {"name": "p", "in": "path", "required": True}, {"name": "q", "in": "query"}
    told = asking(in_path | {"schema": schema}, in_query | {"schema": schema}, path="/{p}")
    with TemporaryDirectory() as folder:
        sent = quote(text, safe="")
        assert filter_for(Path(folder), told).decide(request(f"/{sent}?q={sent}")) is None
