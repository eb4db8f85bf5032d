"""JSON → XML → JSON for every kind of type, and what has no way through."""

from __future__ import annotations

import math
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree

from gateway.filters.rest_request import Unfit
from gateway.filters.soap_message import content, inspect
from gateway.filters.soap_values import Unreadable, envelope, read_element
from gateway.filters.strict_json import read_exact_json
from gateway.spec.contract import read_contract
from gateway.spec.guards import SoapGuard
from gateway.spec.xsd import Complex, Types

KINDS = Path(__file__).parents[1] / "mediation_files" / "kinds.wsdl"
CONTRACT = read_contract(str(KINDS))
ECHO = Types(CONTRACT.schemas).element("{urn:kinds}Echo")
SCHEMA = CONTRACT.types["urn:kinds"]

XML_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=20)
TEXT = st.one_of(
    XML_TEXT, st.sampled_from(["", "<b>", "&amp;", "]]>", "<![CDATA[x", "a\rb\nc\td", " x ", "<!--", "<?x?>"])
)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9)


def nodes(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Values of the type Node."""
    optional = {
        "lang": TEXT,
        "whole": st.integers(-(10**28), 10**28),
        "small": st.integers(-(2**15), 2**15 - 1),
        "exact": DECIMALS,
        "real": st.floats(allow_nan=False, allow_infinity=False),
        "flag": st.booleans(),
        "day": st.dates(date(1000, 1, 1)).map(str),
        "size": st.sampled_from(["small", "very large"]),
        "maybe": st.none() | TEXT,
        "tag": st.lists(TEXT, max_size=3),
        "pair": st.lists(st.none() | st.booleans(), max_size=2),
        "numbers": st.lists(st.integers(-(2**31), 2**31 - 1), max_size=3),
        "price": st.fixed_dictionaries({"value": DECIMALS, "currency": TEXT}),
        "node": st.lists(children, max_size=2),
    }
    one = st.fixed_dictionaries({"text": TEXT}, optional=optional)
    left, right = st.fixed_dictionaries({"left": TEXT}), st.fixed_dictionaries({"right": TEXT})
    sides: st.SearchStrategy[Any] = st.one_of(st.just({}), left, right)
    return st.tuples(one, sides).map(lambda both: both[0] | both[1])


VALUES = st.recursive(st.fixed_dictionaries({"text": TEXT}), nodes, max_leaves=4)


def written(value: Any) -> bytes:
    root, element = envelope(ECHO, value, 1_000, 32)
    SCHEMA.assertValid(element)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def through(value: Any) -> Any:
    message = written(value)
    inspect(message, SoapGuard(max_text=100_000))
    return read_exact_json(orjson.dumps(read_element(content(message), ECHO.type)))


def complete(value: Any) -> Any:
    """As an answer says it: lists are always there."""
    lists: dict[str, Any] = {"tag": [], "pair": [], "node": []}
    found = lists | value
    if "real" in found:
        found["real"] = Decimal(repr(found["real"]))
    return found | {"node": [complete(one) for one in found["node"]]}


def close(one: Any, other: Any) -> bool:
    """Equal; numbers by their value."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(close(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(close, one, other))
    if isinstance(one, bool) or isinstance(other, bool) or isinstance(one, str) or one is None:
        return one is other if not isinstance(one, str) else one == other
    return bool(one == other) or math.isclose(one, other, rel_tol=0, abs_tol=0)


@given(VALUES)
@example({"text": "", "maybe": None, "pair": [None, True], "tag": ["one"]})
@example({"text": "a\rb", "real": 5e-324, "whole": 10**28, "exact": Decimal("-0.0001")})
def test_what_goes_in_comes_out(value: Any) -> None:
    assert close(through(value), complete(value))


@pytest.mark.parametrize(
    "text", ["<b>x</b>", "a & b", "]]>", "<!DOCTYPE x>", "</m:text><m:evil/>", "&lt;", "\x7f", "\u0085"]
)
def test_a_text_never_becomes_markup(text: str) -> None:
    message = written({"text": text, "lang": text, "tag": [text, text]})
    element = content(message)
    assert [child.tag for child in element] == ["{urn:kinds}text", "{urn:kinds}tag", "{urn:kinds}tag"]
    assert {child.text for child in element} == {text} == {element.get("lang")}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({}, '"text" is missing'),
        ({"text": 1}, '"text" is no string'),
        ({"text": None}, '"text" is null, which it cannot be'),
        ({"text": "\x00"}, '"text" has a character that XML cannot hold'),
        ({"text": "\x1b[31m"}, '"text" has a character that XML cannot hold'),
        ({"text": "\ud800"}, '"text" has a character that XML cannot hold'),
        ({"text": "", "lang": "\uffff"}, '"lang" has a character that XML cannot hold'),
        ({"text": "", "other": 1}, '"other" is unknown'),
        ({"text": "", "{urn:kinds}flag": True}, '"{urn:kinds}flag" is unknown'),
        ({"text": "", "whole": "1"}, '"whole" is no integer'),
        ({"text": "", "whole": True}, '"whole" is no integer'),
        ({"text": "", "whole": Decimal("1.5")}, '"whole" is no integer'),
        ({"text": "", "exact": "1"}, '"exact" is no number'),
        ({"text": "", "exact": Decimal("1e-999999")}, '"exact" is no number'),
        ({"text": "", "flag": 1}, '"flag" is no boolean'),
        ({"text": "", "tag": "one"}, '"tag" is a list'),
        ({"text": "", "tag": ["a", 2]}, '"tag[1]" is no string'),
        ({"text": "", "numbers": 7}, '"numbers" is a list'),
        ({"text": "", "price": 7}, '"price" is an object'),
        ({"text": "", "price": {"value": Decimal(1)}}, '"price.currency" is missing'),
        ({"text": "", "node": [{"text": "", "node": [{}]}]}, '"node[0].node[0].text" is missing'),
        ({"text": "", "tag": ["x"] * 1_000}, "the request has more than 1000 values"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_by_its_place(value: Any, said: str) -> None:
    with pytest.raises(Unfit) as caught:
        envelope(ECHO, value, 1_000, 32)
    assert str(caught.value) == said


def test_objects_nest_as_deep_as_is_allowed() -> None:
    value: dict[str, Any] = {"text": ""}
    for _ in range(31):
        value = {"text": "", "node": [value]}
    envelope(ECHO, value, 1_000, 32)
    with pytest.raises(Unfit, match="nested too deeply"):
        envelope(ECHO, {"text": "", "node": [value]}, 1_000, 32)


def test_an_integer_with_a_point_is_one() -> None:
    assert through({"text": "", "whole": Decimal("3.0")})["whole"] == 3


@pytest.mark.parametrize(
    ("inside", "said"),
    [
        ("<k:other/>", "is not one of the parts"),
        ("<k:real>INF</k:real>", "has no form in JSON"),
        ("<k:real>NaN</k:real>", "has no form in JSON"),
        ("<k:whole>x</k:whole>", "has no form in JSON"),
        ("<k:whole>" + "9" * 5_000 + "</k:whole>", "has no form in JSON"),
        ("<k:flag>maybe</k:flag>", "has no form in JSON"),
    ],
)
def test_what_an_answer_cannot_say_is_an_error(inside: str, said: str) -> None:
    element = etree.fromstring(f'<k:Echo xmlns:k="urn:kinds">{inside}</k:Echo>')
    with pytest.raises(Unreadable, match=said):
        read_element(element, ECHO.type)


@pytest.mark.parametrize(
    ("inside", "member", "expected"),
    [
        ("<k:exact>+012.50</k:exact>", "exact", b"12.50"),
        ("<k:exact>.5</k:exact>", "exact", b"0.5"),
        ("<k:whole>+007</k:whole>", "whole", b"7"),
        ("<k:whole> 12345678901234567890123 </k:whole>", "whole", b"12345678901234567890123"),
        ("<k:flag> 1 </k:flag>", "flag", b"true"),
        ("<k:day> 2026-01-31Z </k:day>", "day", b'"2026-01-31Z"'),
        ("<k:tag> x </k:tag>", "tag", b'[" x "]'),
        ("<k:tag>a<!-- -->b</k:tag>", "tag", b'["ab"]'),
        ('<k:maybe xsi:nil="1" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"/>', "maybe", b"null"),
        ("<k:numbers/>", "numbers", b"[]"),
    ],
)  # fmt: skip
def test_lexical_forms_have_one_form_in_json(inside: str, member: str, expected: bytes) -> None:
    parser = etree.XMLParser(remove_comments=True)
    element = etree.fromstring(f'<k:Echo xmlns:k="urn:kinds">{inside}</k:Echo>', parser)
    assert orjson.dumps(read_element(element, ECHO.type)[member]) == expected


def test_the_type_holds_itself() -> None:
    assert isinstance(ECHO.type, Complex)
    assert ECHO.type.fields["node"].type.fields["node"].type is ECHO.type.fields["node"].type  # type: ignore[union-attr]
