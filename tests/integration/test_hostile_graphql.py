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
    """The service itself, without the guard in front of it: either would do alone."""
    token = shop.token("bob" if accept == JSON else "alice")
    headers = {"Accept": accept}
    answer = shop.send(
        "POST", "/graphql", token=token, json=request_body, headers=headers, port=shop.ports["storefront"]
    )
    well_formed = isinstance(request_body, dict) and isinstance(request_body.get("query"), str)
    if accept == JSON and well_formed and answer.status == 200:
        assert answer.type == JSON  # GraphQL over HTTP section 6.4.1: this media type says 200 and errors
    else:
        refused(answer, accept)
    assert answer.json()["errors"]
    assert "data" not in answer.json() or answer.json()["data"] is None


@pytest.mark.parametrize("request_body", HOSTILE_GRAPHQL, ids=range(len(HOSTILE_GRAPHQL)))
def test_graphql_through_the_gateway(shop: Any, request_body: Any) -> None:
    answer = shop.send("POST", "/graphql", token=shop.token("bob"), json=request_body, headers={"Accept": JSON})
    assert answer.status in (200, 400, 403)
    assert answer.type == JSON
    assert answer.json()["errors"][0]["extensions"]["reason"]
    assert answer.json().get("data") is None


MANY = 1_000
FRAGMENTS = "{ ...F0 } " + " ".join(
    f"fragment F{n} on Query {{ __typename ...F{n + 1} ...F{n + 1} }}" for n in range(18)
)
ATTACKS = {
    "alias brute force": (
        "graphql_too_many_aliases",
        {"query": "{ " + " ".join(f"a{n}: product(id: {n}) {{ id }}" for n in range(50)) + " }"},
    ),
    "the same mutation under aliases": (
        "graphql_root_field_too_often",
        {"query": "mutation { " + " ".join(f"a{n}: cancelOrder(id: {n}) {{ id }}" for n in range(5)) + " }"},
    ),
    "deep nesting": ("graphql_too_deep", {"query": "{ me" + " { orders { items" * 8 + " { id }" + " } }" * 8 + " }"}),
    "nesting without end": ("graphql_too_deep", {"query": "{ a " * 300 + " } " * 300}),
    "circular fragments": (
        "graphql_circular_fragments",
        {"query": "{ ...A } fragment A on Query { ...B } fragment B on Query { ...A }"},
    ),
    "fragments that double": (
        "graphql_too_many_fields",
        {"query": FRAGMENTS + " fragment F18 on Query { __typename }"},
    ),
    "a huge number of tokens": ("graphql_too_many_tokens", {"query": "{ " + "__typename " * 5_000 + "}"}),
    "comments without end": ("graphql_too_many_tokens", {"query": "#\n" * 5_000 + "{ __typename }"}),
    "a list of a million lists": (
        "graphql_too_costly",
        {
            "query": "query ($n: Int!) { products(first: $n) { nodes { reviews(first: $n) { text } } } }",
            "variables": {"n": 1_000},
        },
    ),
    "a batch of a thousand": ("graphql_batch_too_large", [{"query": "{ __typename }"}] * MANY),
    "directives": ("graphql_too_many_directives", {"query": "{ __typename " + "@include(if: true) " * 50 + "}"}),
    "introspection": ("graphql_introspection", {"query": "{ __schema { types { name } } }"}),
    "a second query behind the first": (
        "graphql_malformed",
        b'{"query": "{ __typename }", "query": "{ me { username } }"}',
    ),
}


@pytest.mark.parametrize(("reason", "request_body"), ATTACKS.values(), ids=ATTACKS.keys())
def test_attacks_end_at_the_gateway(shop: Any, reason: str, request_body: Any) -> None:
    token, headers = shop.token(shop.new_user()), {"Content-Type": JSON}
    sent = {"body": request_body} if isinstance(request_body, bytes) else {"json": request_body}
    answer = shop.send("POST", "/graphql", token=token, headers=headers, **sent)
    told = answer.json()["errors"][0]["extensions"]
    assert (told["reason"], told["status"]) == (reason, answer.status)
    assert told["policy"].startswith("shop.yaml:")  # so it was the gateway, and nothing went on


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_no_other_site_can_ask_through_a_browser(shop: Any, method: str) -> None:
    """CSRF: a form can send these, a script of another origin cannot send application/json unasked."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    if method == "POST":
        answer = shop.send("POST", "/graphql", body=b"query=%7B__typename%7D", headers=form)
        assert answer.json()["errors"][0]["extensions"]["reason"] == "graphql_not_json"
    else:
        assert shop.send("GET", "/graphql?query=%7B__typename%7D").json()["reason"] == "no_route"


@pytest.mark.parametrize("query", GRAPHQL_VALUES, ids=lambda query: query.split("(")[0])
def test_values_inside_graphql(shop: Any, refused: Refused, query: str) -> None:
    token = shop.token(shop.new_user())
    for value in VALUES:
        answer = shop.send("POST", "/graphql", token=token, json={"query": query % value})
        assert answer.status in (200, 400), (value, answer.body)
        for error in answer.json().get("errors", []):
            assert error["extensions"].get("reason") not in ("internal_error", "upstream_error", None), (value, error)
