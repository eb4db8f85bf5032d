"""What GraphQLToRest makes of requests and of answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.filters.graphql_guard import GraphQLGuardFilter
from gateway.filters.graphql_to_rest import GraphQLToRestFilter
from gateway.http.messages import Reply, Request, Response
from gateway.spec.guards import GraphQLGuard
from gateway.spec.mediation import GraphQLToRest

FOLDER = Path(__file__).parents[1] / "mediation_files"
SCHEMA = str(FOLDER / "shop.graphql")
QUERIES = str(FOLDER / "shop-queries.graphql")
JSON = "Content-Type: application/json"
LIST = {
    "method": "GET",
    "path": "/list",
    "query": QUERIES,
    "operation": "List",
    "variables": {
        "first": {"name": "limit", "default": 10, "min": 1, "max": 50},
        "ids": {"name": "id", "maxLength": 5},
        "under": {"max": 1000.5},
    },
}
ONE = {"method": "GET", "path": "/one/{id}", "query": QUERIES, "operation": "One", "select": "product"}
BUY = {"method": "POST", "path": "/buy", "query": QUERIES, "operation": "Buy", "select": "buy", "status": 201}

Make = Callable[..., GraphQLToRestFilter]


@pytest.fixture
def make(build: Any) -> Make:
    def one(**keys: Any) -> GraphQLToRestFilter:
        given = {"schemaFile": SCHEMA, "queries": [LIST, ONE, BUY], "openapi": "/openapi.json"} | keys
        spec = GraphQLToRest.model_validate(given, by_alias=True)
        assert list(spec.mistakes()) == []
        return GraphQLToRestFilter(spec, build())

    return one


def post(ask: Any, path: str, value: Any, method: str = "POST") -> Request:
    request: Request = ask(path, JSON, method=method)
    request.body = json.dumps(value).encode()
    return request


def said(decision: Any) -> tuple[int, str, str]:
    assert isinstance(decision, Reply), decision
    return decision.status, decision.reason, decision.detail


def sent(request: Request) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(request.body or b"")
    return found


# -- requests


def test_a_get_becomes_the_stored_query(make: Make, ask: Any) -> None:
    one = make()
    request = ask("/list?limit=3&order=NEWEST&id=a&id=b&under=2.5&sold=true&since=now", "Accept: application/json")
    assert one.decide(request) is None
    one.commit(request)
    assert (request.target_method, request.target_path, request.query) == ("POST", "/graphql", "")
    assert request.fields[b"content-type"] == b"application/json"
    document = sent(request)
    assert document["operationName"] == "List"
    assert document["query"].startswith("query List($first:Int!")
    assert "mutation" not in document["query"]
    expected = {"first": 3, "order": "NEWEST", "ids": ["a", "b"], "under": 2.5, "sold": True, "since": "now"}
    assert document["variables"] == expected
    assert one._counted.values == {("", "rest", "List"): 1}
    assert one.explain(request, None).startswith("List: takes first from the query, order from the query")


def test_defaults_fill_in(make: Make, ask: Any) -> None:
    request = ask("/list")
    assert make().decide(request) is None
    assert sent(request)["variables"] == {"first": 10}


def test_the_guard_behind_it_sees_the_operation(make: Make, ask: Any, build: Any) -> None:
    guard = GraphQLGuardFilter(GraphQLGuard(schema_file=SCHEMA, max_cost=100), build())
    for limit, passes in ((3, True), (50, False)):
        request = ask(f"/list?limit={limit}")
        assert make().decide(request) is None
        assert (guard.decide(request) is None) == passes


@pytest.mark.parametrize(
    ("path", "detail"),
    [
        ("/list?limit=51", '"limit" is more than 50'),
        ("/list?limit=0", '"limit" is less than 1'),
        ("/list?limit=x", '"limit" is no integer'),
        ("/list?limit=1&limit=2", '"limit" stands twice in the query'),
        ("/list?first=1", 'the query has "first", which List does not take'),
        ("/list?query=%7Bme%7D", 'the query has "query", which List does not take'),
        ("/list?id=aaaaaa", '"id" is longer than 5 characters'),
        ("/list?under=1000.6", '"under" is more than 1000.5'),
        ("/list?under=1e999", '"under" is more than 1000.5'),
        ("/list?order=Newest", "\"order\" has invalid value: Value 'Newest' does not exist in 'Order' enum."),
        ("/list?sold=yes", '"sold" is no boolean'),
    ],
)
def test_parameters_are_typed_and_bounded(make: Make, ask: Any, path: str, detail: str) -> None:
    status, reason, told = said(make().decide(ask(path)))
    assert (status, reason) == (400, "rest_invalid")
    assert told.startswith(detail)
    assert "Did you mean" not in told


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ({}, '"lines" is missing'),
        ({"lines": "a"}, '"lines" has invalid value'),
        ({"lines": [{"count": 1}]}, '"lines" has invalid value'),
        ({"lines": [{"product": "a", "evil": 1}]}, '"lines" has invalid value'),
        ({"lines": [{"product": "a", "count": 10**12}]}, '"lines" has invalid value'),
        ({"lines": [], "other": 1}, 'the body has "other", which Buy does not take'),
        ({"lines": [], "note": "\ud800"}, "a value has no form in JSON"),
        ({"lines": [{"product": "\ud800"}]}, "a value has no form in JSON"),
    ],
)
def test_a_body_that_does_not_fit(make: Make, ask: Any, body: Any, detail: str) -> None:
    status, reason, told = said(make().decide(post(ask, "/buy", body)))
    assert (status, reason) == (400, "rest_invalid")
    assert told.startswith(detail)


def test_a_mutation_takes_a_body(make: Make, ask: Any) -> None:
    request = post(ask, "/buy", {"lines": [{"product": "a", "count": 2}], "note": None})
    assert make().decide(request) is None
    assert sent(request)["variables"] == {"lines": [{"product": "a", "count": 2}], "note": None}
    assert said(make().decide(ask("/buy")))[:2] == (405, "rest_method_not_offered")


def test_a_text_is_never_a_part_of_the_query(make: Make, ask: Any) -> None:
    plain, evil = ask("/one/a"), ask("/one/%22%29%7Bid%7Dme%7Bsecret%7D")
    assert make().decide(plain) is make().decide(evil) is None
    assert sent(plain)["query"] == sent(evil)["query"]
    assert sent(evil)["variables"] == {"id": '"){id}me{secret}'}


# -- answers


def answer(status: int = 200, content_type: str = "application/json", **more: str) -> Response:
    fields = [(b"content-type", content_type.encode()), *((n.encode(), v.encode()) for n, v in more.items())]
    return Response(status, fields, dict(fields), 0, True)


def mediated(one: GraphQLToRestFilter, ask: Any, path: str = "/one/a") -> Request:
    request: Request = ask(path)
    assert one.decide(request) is None
    return request


PRODUCT = {"id": "a", "name": "b", "price": 1.5, "made": None, "order": None}
DENIED = {"message": "secret text", "extensions": {"code": "DENIED"}}
RULES = [{"code": "GONE", "status": 410, "showText": True}, {"code": "DENIED", "status": 403}]


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "application/graphql-response+json"])
def test_the_selected_part_of_the_data_is_the_answer(make: Make, ask: Any, content_type: str) -> None:
    one, response = make(), answer(200, content_type, vary="x")
    body = one.on_answer(mediated(one, ask), response, json.dumps({"data": {"product": PRODUCT}}).encode())
    assert isinstance(body, bytes)
    assert json.loads(body) == PRODUCT
    assert response.fields[b"content-type"] == b"application/json"
    assert response.fields[b"vary"] == b"x"
    assert b"cache-control" not in response.fields


def test_without_select_all_of_it_is(make: Make, ask: Any) -> None:
    one = make()
    assert one.on_answer(mediated(one, ask, "/list"), answer(), b'{"data": {"all": null}}') == b'{"all":null}'


def test_nothing_selected_is_404(make: Make, ask: Any) -> None:
    one, response = make(), answer()
    told = json.loads(one.on_answer(mediated(one, ask), response, b'{"data": {"product": null}}'))  # type: ignore[arg-type]
    assert (response.status, told["reason"], told["type"]) == (404, "service_has_none", "about:blank")


@pytest.mark.parametrize(
    ("errors", "status", "expected"),
    [
        ([DENIED], 200, (403, "DENIED", "the service refused this")),
        ([{"message": "x"}, DENIED], 200, (403, "DENIED", "the service refused this")),
        ([{"message": "gone\n away", "extensions": {"code": "GONE"}}], 200, (410, "GONE", "gone away")),
        ([{"message": "secret"}], 200, (502, "graphql_error", "the service failed")),
        ([{"message": "secret", "extensions": {"code": [1]}}], 400, (502, "graphql_error", "the service failed")),
        ([{"message": "secret", "extensions": 7}], 401, (401, "graphql_error", "the service refused this")),
    ],
)  # fmt: skip
def test_errors_become_a_status(make: Make, ask: Any, errors: Any, status: int, expected: Any) -> None:
    one, response = make(errors=RULES), answer(status)
    document = {"errors": errors, "data": {"product": PRODUCT}}
    body = one.on_answer(mediated(one, ask), response, json.dumps(document).encode())
    assert isinstance(body, bytes)
    told = json.loads(body)
    assert (told["status"], told["reason"], told["detail"]) == expected
    assert (response.status, response.fields[b"content-type"]) == (expected[0], b"application/problem+json")


def test_partial_data_passes_where_that_is_declared(make: Make, ask: Any) -> None:
    one = make(queries=[{**ONE, "partial": "pass"}], errors=RULES)
    response = answer(200, "application/json", **{"cache-control": "max-age=60"})
    document = {"errors": [DENIED, DENIED], "data": {"product": PRODUCT}}
    body = one.on_answer(mediated(one, ask), response, json.dumps(document).encode())
    assert body == json.dumps(PRODUCT, separators=(",", ":")).encode()
    assert response.fields[b"x-partial-errors"] == b"2"
    assert response.fields[b"cache-control"] == b"no-store"
    response, nothing = answer(), {"errors": [DENIED], "data": {"product": None}}
    one.on_answer(mediated(one, ask), response, json.dumps(nothing).encode())
    assert response.status == 403


@pytest.mark.parametrize(
    ("response", "body"),
    [
        (answer(200, "text/html"), b'{"data": {"product": null}}'),
        (answer(), b"<html>secret</html>"),
        (answer(), b""),
        (answer(), b"[]"),
        (answer(), b"{}"),
        (answer(), b'{"data": null}'),
        (answer(), b'{"data": []}'),
        (answer(), b'{"data": {}, "errors": {}}'),
        (answer(), b'{"data": {}, "errors": []}'),
        (answer(), b'{"data": {}, "errors": ["secret"]}'),
        (answer(), b'{"data": NaN}'),
        (answer(), b"[" * 5_000),
        (answer(500), b'{"data": {"product": {}}}'),
    ],
)
def test_what_is_no_answer_is_502(make: Make, ask: Any, response: Response, body: bytes) -> None:
    one = make()
    reply = one.on_answer(mediated(one, ask), response, body)
    assert said(reply) == (502, "graphql_answer_invalid", "the service's answer is no answer to the query")


# -- the document


def test_the_document_says_what_is_offered(make: Make, ask: Any) -> None:
    reply = make().decide(ask("/openapi.json"))
    assert isinstance(reply, Reply)
    told = json.loads(reply.body or b"")
    OpenAPIV31SpecValidator(told).validate()
    listed = told["paths"]["/list"]["get"]
    parameters = {one["name"]: one for one in listed["parameters"]}
    assert parameters["limit"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 50, "default": 10}
    assert parameters["limit"]["required"] is False
    assert parameters["id"]["schema"] == {"type": "array", "items": {"type": "string", "maxLength": 5}}
    assert parameters["order"]["schema"] == {"type": "string", "enum": ["NEWEST", "CHEAPEST"]}
    answered = listed["responses"]["200"]["content"]["application/json"]["schema"]
    assert answered["required"] == ["all", "things"]
    thing = answered["properties"]["things"]["items"]
    assert (set(thing["properties"]), thing["required"]) == (
        {"__typename", "id", "name", "label"},
        ["__typename", "id"],
    )
    one = told["paths"]["/one/{id}"]["get"]
    assert [(p["name"], p["in"]) for p in one["parameters"]] == [("id", "path"), ("short", "query")]
    product = one["responses"]["200"]["content"]["application/json"]["schema"]
    assert product["required"] == ["id", "name", "price", "made", "order"]
    assert product["properties"]["made"] == {}
    assert product["properties"]["order"] == {
        "anyOf": [{"type": "string", "enum": ["NEWEST", "CHEAPEST"]}, {"type": "null"}]
    }
    assert "404" in one["responses"]
    body = told["paths"]["/buy"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["required"] == ["lines"]
    assert body["properties"]["note"]["type"] == ["string", "null"]
    assert told["components"]["schemas"]["Line"]["required"] == ["product"]
