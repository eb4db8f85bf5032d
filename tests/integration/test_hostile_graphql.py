"""Malformed and oversized GraphQL, and hostile values inside of good GraphQL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.whole_system

Refused = Callable[..., None]

JSON = "application/json"
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
def test_graphql(shop: Any, refused: Refused, accept: str, request_body: Any) -> None:
    token = shop.token("bob" if accept == JSON else "alice")
    answer = shop.send("POST", "/graphql", token=token, json=request_body, headers={"Accept": accept})
    well_formed = isinstance(request_body, dict) and isinstance(request_body.get("query"), str)
    if accept == JSON and well_formed and answer.status == 200:
        assert answer.type == JSON  # GraphQL over HTTP section 6.4.1: this media type says 200 and errors
    else:
        refused(answer, accept)
    assert answer.json()["errors"]
    assert "data" not in answer.json() or answer.json()["data"] is None


@pytest.mark.parametrize("query", GRAPHQL_VALUES, ids=lambda query: query.split("(")[0])
def test_values_inside_graphql(shop: Any, refused: Refused, query: str) -> None:
    token = shop.token(shop.new_user())
    for value in VALUES:
        answer = shop.send("POST", "/graphql", token=token, json={"query": query % value})
        assert answer.status in (200, 400), (value, answer.body)
        for error in answer.json().get("errors", []):
            assert error["extensions"].get("reason") not in ("internal_error", "upstream_error", None), (value, error)
