"""Parameters by their styles: what is read from an address, and what is refused because it may be read in two ways."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.filters.openapi_parameters import Sent
from tests.gateway.filters.openapi_filter import asking, errors, filter_for, request

INTS = {"type": "array", "items": {"type": "integer"}}
TEXTS = {"type": "array", "items": {"type": "string"}}
POINT = {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "string"}}}

AS_JSON = {"name": "p", "in": "query", "content": {"application/json": {"schema": POINT}}}


def query(schema: Any, **more: Any) -> dict[str, Any]:
    return {"name": "p", "in": "query", "schema": schema} | more


def value(folder: Path, parameter: dict[str, Any], target: str, *fields: str, path: str = "/things") -> Any:
    """What the filter takes the parameter for."""
    one = filter_for(folder, asking(parameter, path=path), request={"unknownParameters": "pass"})
    made = request(target, *fields)
    found = one._api.paths.find(made.path)
    assert found is not None
    return one._api.operations[path]["GET"].parameters[0].read(Sent(made, found.values))


@pytest.mark.parametrize(
    ("parameter", "target", "expected"),
    [
        (query({"type": "integer"}), "?p=5", 5),
        (query({"type": "integer"}), "?p=-5", -5),
        (query({"type": "integer"}), "?p=05", "05"),
        (query({"type": "integer"}), "?p=5.0", "5.0"),
        (query({"type": "integer"}), "?p=" + "9" * 31, "9" * 31),
        (query({"type": "integer"}), "?p=%35", 5),
        (query({"type": "number"}), "?p=5.5e1", 55.0),
        (query({"type": "number"}), "?p=1e999", "1e999"),
        (query({"type": "number"}), "?p=NaN", "NaN"),
        (query({"type": "boolean"}), "?p=true", True),
        (query({"type": "boolean"}), "?p=1", "1"),
        (query({"type": "string"}), "?p=5", "5"),
        (query({"type": "string"}), "?p=a+b%2B%C3%A9", "a b+é"),
        (query({"type": ["integer", "null"]}), "?p=", None),
        (query({"anyOf": [{"type": "integer"}, {"type": "string"}]}), "?p=7", 7),
        (query({"enum": [1, 2]}), "?p=2", 2),
        (query(INTS), "?p=1&p=2", [1, 2]),
        (query(INTS, explode=False), "?p=1,2", [1, 2]),
        (query(INTS, explode=False), "?p=1%2C2", [1, 2]),
        (query(INTS, explode=False), "?p=", []),
        (query(TEXTS), "?p=a,b&p=c", ["a,b", "c"]),
        (query(TEXTS, explode=False), "?p=a,b", ["a", "b"]),
        (query(TEXTS, style="spaceDelimited"), "?p=a%20b", ["a", "b"]),
        (query(TEXTS, style="spaceDelimited"), "?p=a+b", ["a", "b"]),
        (query(TEXTS, style="pipeDelimited"), "?p=a|b", ["a", "b"]),
        (query(TEXTS, style="pipeDelimited"), "?p=a%7Cb", ["a", "b"]),
        (query(POINT), "?x=1&y=2", {"x": 1, "y": "2"}),
        (query(POINT, explode=False), "?p=x,1,y,2", {"x": 1, "y": "2"}),
        (query(POINT, style="deepObject"), "?p[x]=1&p%5By%5D=2", {"x": 1, "y": "2"}),
        (query(POINT, style="deepObject"), "?p[z]=1", {"z": "1"}),
        (AS_JSON, "?p=%7B%22x%22:1%7D", {"x": 1}),
        ({"name": "p", "in": "query", "allowEmptyValue": True, "schema": {"type": "integer"}}, "?p=", None),
    ],
)  # fmt: skip
def test_query(tmp_path: Path, parameter: dict[str, Any], target: str, expected: Any) -> None:
    found = value(tmp_path, parameter, f"/things{target}")
    if "allowEmptyValue" in parameter:
        assert found.__class__.__name__ == "Absent"
    else:
        assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("schema", "more", "path", "target", "expected"),
    [
        ({"type": "integer"}, {}, "/things/{p}", "/things/7", 7),
        ({"type": "string"}, {}, "/things/{p}", "/things/a+b%20c", "a+b c"),
        ({"type": "string"}, {}, "/things/{p}.json", "/things/a.json", "a"),
        (INTS, {}, "/things/{p}", "/things/1,2", [1, 2]),
        (POINT, {}, "/things/{p}", "/things/x,1", {"x": 1}),
        (POINT, {"explode": True}, "/things/{p}", "/things/x=1,y=2", {"x": 1, "y": "2"}),
        (INTS, {"style": "label"}, "/things/{p}", "/things/.1,2", [1, 2]),
        (INTS, {"style": "label", "explode": True}, "/things/{p}", "/things/.1.2", [1, 2]),
        (INTS, {"style": "matrix"}, "/things/{p}", "/things/;p=1,2", [1, 2]),
        (INTS, {"style": "matrix", "explode": True}, "/things/{p}", "/things/;p=1;p=2", [1, 2]),
        ({"type": "integer"}, {"style": "matrix"}, "/things/{p}", "/things/;p=1", 1),
    ],
)
def test_path(tmp_path: Path, schema: Any, more: dict[str, Any], path: str, target: str, expected: Any) -> None:
    parameter = {"name": "p", "in": "path", "required": True, "schema": schema} | more
    assert value(tmp_path, parameter, target, path=path) == expected


@pytest.mark.parametrize(
    ("where", "schema", "fields", "expected"),
    [
        ("header", {"type": "integer"}, ["X-P: 5"], 5),
        ("header", {"type": "string"}, ["x-p:  a, b "], "a, b"),
        ("header", INTS, ["X-P: 1, 2"], [1, 2]),
        ("header", INTS, ["X-P: 1", "X-P: 2"], [1, 2]),
        ("header", POINT, ["X-P: x,1"], {"x": 1}),
        ("cookie", {"type": "integer"}, ["Cookie: a=b; X-P=5"], 5),
    ],
)
def test_headers_and_cookies(tmp_path: Path, where: str, schema: Any, fields: list[str], expected: Any) -> None:
    assert value(tmp_path, {"name": "X-P", "in": where, "schema": schema}, "/things", *fields) == expected


@pytest.mark.parametrize(
    ("parameter", "target", "what"),
    [
        (query({"type": "integer"}), "?p=1&p=2", "more than once"),
        (query({"type": "string"}), "?p=%zz", "begins no escape"),
        (query({"type": "string"}), "?p=%ff", "not UTF-8"),
        (query({"type": "string"}), "?%ff=1", "not UTF-8"),
        (query(TEXTS, explode=False), "?p=a%2Cb", "an encoded ','"),
        (query(TEXTS, explode=False), "?p=a&p=b", "more than once"),
        (query(POINT, style="deepObject"), "?p[x][y]=1", "not spelled"),
        (query(POINT, style="deepObject"), "?p[x=1", "not spelled"),
        (query(POINT, style="deepObject"), "?p[x]=1&p[x]=2", "more than once"),
        (query(POINT, explode=False), "?p=x,1,x,2", "more than once"),
        (query(POINT, explode=False), "?p=x", "without a value"),
        (query({"type": "integer"}), "?q=1", "no such parameter"),
        (query({"type": "integer"}), "?P=1", "no such parameter"),
        (query({"type": "integer"}), "?p[]=1", "no such parameter"),
        (query({"type": "integer"}, required=True), "", "is missing"),
        (query({"type": "integer", "maximum": 100}), "?p=1000000", "must be at most 100"),
        (AS_JSON, '?p=%7B"x":1,"x":2%7D', "not JSON"),
        (AS_JSON, '?p=%7B"x":"a"%7D', "whole number"),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path: Path, parameter: dict[str, Any], target: str, what: str) -> None:
    one = filter_for(tmp_path, asking(parameter))
    reply = one.decide(request(f"/things{target}"))
    assert any(what in detail for _, detail in errors(reply)), reply
    assert (reply.status, reply.reason) == (400, "parameter_invalid")  # type: ignore[union-attr]


def test_two_lines_of_a_single_header_are_refused(tmp_path: Path) -> None:
    one = filter_for(tmp_path, asking({"name": "X-P", "in": "header", "schema": {"type": "integer"}}))
    assert errors(one.decide(request("/things", "X-P: 1", "X-P: 1"))) == [("x-p", "is given more than once")]


def test_values_are_never_told(tmp_path: Path) -> None:
    one = filter_for(tmp_path, asking(query({"type": "integer"})))
    reply = one.decide(request("/things?p=swordfish"))
    assert "swordfish" not in repr(reply)


def test_names_that_say_nothing_and_keys_in_the_query(tmp_path: Path) -> None:
    told = asking({"name": "Authorization", "in": "header", "required": True, "schema": {"type": "integer"}})
    told["components"]["securitySchemes"] = {"k": {"type": "apiKey", "in": "query", "name": "key"}}
    assert filter_for(tmp_path, told).decide(request("/things?key=1")) is None


def test_an_operation_s_parameter_counts_before_its_path_s(tmp_path: Path) -> None:
    told = asking(query({"type": "integer"}))
    told["paths"]["/things"]["parameters"] = [query({"type": "boolean"}), query({"type": "boolean"}) | {"name": "q"}]
    one = filter_for(tmp_path, told)
    assert one.decide(request("/things?p=1&q=true")) is None
    assert errors(one.decide(request("/things?p=true&q=1"))) == [
        ("p", "must be a whole number"),
        ("q", "must be true or false"),
    ]
