"""Whole operations: right data, few upstream calls, and errors that stay where they happened."""

from __future__ import annotations

import logging
from typing import Any

import pytest

SCREEN = """query ($n: Int!) { me { username profile { fullName city loyaltyPoints } orders(first: $n) {
  id status total items { quantity product { id name price reviews(first: 2) { author product { name } } } } } } }"""


def reasons(answer: dict[str, Any]) -> list[str]:
    return [error["extensions"]["reason"] for error in answer.get("errors", [])]


@pytest.mark.parametrize("length", [1, 5, 20])
async def test_any_number_of_orders_takes_three_upstream_calls(shop: Any, neighbours: Any, length: int) -> None:
    answer = await shop.ask(SCREEN, neighbours.token(), n=length)
    assert "errors" not in answer
    orders = answer["data"]["me"]["orders"]
    assert len(orders) == length
    assert all(item["product"]["name"] for order in orders for item in order["items"])
    paths = sorted(call.partition("?")[0] for call in neighbours.calls)
    assert paths == ["GET /orders", "GET /products", "GET /profiles"]


async def test_the_callers_own_token_is_passed_on_and_nobody_elses(shop: Any, neighbours: Any) -> None:
    for subject in ("alice", "bob"):
        neighbours.tokens.clear()
        token = neighbours.token(subject)
        assert (await shop.ask(SCREEN, token, n=1))["data"]["me"]["username"] == subject
        assert neighbours.tokens == {f"Bearer {token}"}


async def test_a_page_of_products_is_one_call_even_through_reviews_back_to_products(shop: Any, neighbours: Any) -> None:
    query = "{ products(first: 4) { nodes { id reviews { product { id name } } } } }"
    nodes = (await shop.ask(query))["data"]["products"]["nodes"]
    assert [node["id"] for node in nodes] == ["1", "2", "3", "4"]
    assert nodes[0]["reviews"][0]["product"] == {"id": "1", "name": "Product 1"}
    assert neighbours.calls == ["GET /products?limit=4"]
    assert neighbours.tokens == {None}


async def test_aliases_of_different_lengths_share_one_call(shop: Any, neighbours: Any) -> None:
    fields = " ".join(f"a{n}: orders(first: {n}) {{ id }}" for n in range(1, 31))
    me = (await shop.ask(f"{{ me {{ {fields} }} }}", neighbours.token()))["data"]["me"]
    assert [len(me[f"a{n}"]) for n in range(1, 31)] == list(range(1, 31))
    assert neighbours.calls == ["GET /orders?limit=30"]


async def test_orders_and_products_by_id_are_batched(shop: Any, neighbours: Any) -> None:
    query = "{ a: order(id: 1) { id } b: order(id: 99) { id } c: product(id: 2) { name } d: product(id: 3) { name } }"
    data = (await shop.ask(query, neighbours.token()))["data"]
    assert data == {"a": {"id": "1"}, "b": None, "c": {"name": "Product 2"}, "d": {"name": "Product 3"}}
    assert sorted(neighbours.calls) == ["GET /orders?ids=1,99", "GET /products?ids=2,3"]


async def test_reading_on_with_cursors_gives_every_product_once(shop: Any) -> None:
    query = """query ($after: String) { products(first: 13, after: $after) {
      edges { cursor node { id } } pageInfo { hasNextPage endCursor } } }"""
    seen: list[str] = []
    page: dict[str, Any] = {"hasNextPage": True, "endCursor": None}
    while page["hasNextPage"]:
        connection = (await shop.ask(query, after=page["endCursor"]))["data"]["products"]
        seen += [edge["node"]["id"] for edge in connection["edges"]]
        page = connection["pageInfo"]
        assert page["endCursor"] == connection["edges"][-1]["cursor"]
    assert seen == [str(number) for number in range(1, 31)]


@pytest.mark.parametrize("bad", ["0", "-1", "x", "1&limit=100", "../orders", "１", "9" * 30])
async def test_an_impossible_id_or_cursor_never_reaches_an_address(shop: Any, neighbours: Any, bad: str) -> None:
    query = "query ($id: ID!, $after: String) { product(id: $id) { name } products(after: $after) { nodes { id } } }"
    answer = await shop.ask(query, id=bad, after=bad)
    assert answer["data"] == {"product": None, "products": None}
    assert reasons(answer) == ["invalid_cursor"]
    answer = await shop.ask("mutation ($id: ID!) { cancelOrder(id: $id) { id } }", neighbours.token(), id=bad)
    assert reasons(answer) == ["order_not_found"]
    assert neighbours.calls == []


async def test_what_the_user_never_filled_in_is_null(shop: Any, neighbours: Any) -> None:
    profile = (await shop.ask("{ me { profile { fullName city } } }", neighbours.token()))["data"]["me"]["profile"]
    assert profile == {"fullName": "Alice", "city": None}


async def test_a_caller_without_profile_gets_null_without_error(shop: Any, neighbours: Any) -> None:
    answer = await shop.ask("{ me { username profile { city } } }", neighbours.token("nobody"))
    assert answer == {"data": {"me": {"username": "nobody", "profile": None}}}


@pytest.mark.parametrize("query", ["{ me { username } }", "{ order(id: 1) { id } }"])
async def test_what_belongs_to_somebody_needs_a_token(shop: Any, query: str) -> None:
    answer = await shop.ask(query)
    assert list(answer["data"].values()) == [None]
    assert reasons(answer) == ["token_missing"]


async def test_scopes_are_asked_per_field(shop: Any, neighbours: Any) -> None:
    answer = await shop.ask(SCREEN, neighbours.token(scope="orders:read"), n=1)
    assert answer["data"]["me"]["profile"] is None
    assert len(answer["data"]["me"]["orders"]) == 1
    assert reasons(answer) == ["insufficient_scope"]
    assert answer["errors"][0]["path"] == ["me", "profile"]
    query = (
        'mutation { placeOrder(items: [{productId: 1}]) { id } addReview(productId: 1, stars: 5, text: "x") { text } }'
    )
    assert reasons(await shop.ask(query, neighbours.token(scope="orders:read"))) == ["insufficient_scope"] * 2


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (503, b"", "peer_unavailable"),
        (500, b"Traceback (most recent call last)", "peer_error"),
        (200, b"<html>", "peer_error"),
        (200, b'{"products": [{"id": 1}]}', "peer_error"),
        (200, b"[" * 100_000, "peer_error"),
        (302, b"", "peer_error"),
        (429, b'{"reason": "rate_limited", "detail": "Too fast."}', "rate_limited"),
        (404, b'{"reason": "<script>"}', "peer_error"),
    ],
)
async def test_a_broken_neighbour_leaves_a_hole_with_a_reason(
    shop: Any, neighbours: Any, status: int, body: bytes, reason: str
) -> None:
    neighbours.answers["/products"] = (status, body)
    answer = await shop.ask(SCREEN, neighbours.token(), n=1)
    assert [item["product"] for item in answer["data"]["me"]["orders"][0]["items"]] == [None, None]
    assert answer["data"]["me"]["profile"]["fullName"] == "Alice"
    assert set(reasons(answer)) == {reason}
    assert "Traceback" not in str(answer)


async def test_an_unexpected_exception_stays_in_the_log(
    shop: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_args: object) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr(shop.service.db, "read", broken)
    with caplog.at_level(logging.ERROR):
        answer = await shop.ask("{ reviews { text } products { nodes { id } } }")
    assert len(answer["data"]["products"]["nodes"]) == 10
    assert reasons(answer) == ["internal_error"]
    assert "secret" not in str(answer)
    assert "secret inside" in caplog.text


ADD = """mutation ($id: ID!, $stars: Int!, $text: String!) { addReview(productId: $id, stars: $stars, text: $text) {
  author stars text created product { rating { average count } } } }"""


async def test_a_review_is_one_per_user_and_product(shop: Any, neighbours: Any) -> None:
    first = (await shop.ask(ADD, neighbours.token("hana"), id="30", stars=2, text=" Fine. "))["data"]["addReview"]
    again = (await shop.ask(ADD, neighbours.token("hana"), id="30", stars=2, text="Fine."))["data"]["addReview"]
    assert first == again
    assert first["text"] == "Fine."
    changed = (await shop.ask(ADD, neighbours.token("hana"), id="30", stars=5, text="Better."))["data"]["addReview"]
    assert changed["product"]["rating"] == {"average": 5.0, "count": 1}
    other = (await shop.ask(ADD, neighbours.token("ines"), id="30", stars=4, text="Good."))["data"]["addReview"]
    assert other["author"] == "ines"
    assert other["product"]["rating"] == {"average": 4.5, "count": 2}


async def test_an_operation_reads_what_it_has_just_written(shop: Any, neighbours: Any) -> None:
    one = 'addReview(productId: 29, stars: {}, text: "x") {{ product {{ rating {{ average }} reviews {{ stars }} }} }}'
    query = f"mutation {{ a: {one.format(1)} b: {one.format(5)} }}"
    data = (await shop.ask(query, neighbours.token()))["data"]
    assert data["a"]["product"] == {"rating": {"average": 1.0}, "reviews": [{"stars": 1}]}
    assert data["b"]["product"] == {"rating": {"average": 5.0}, "reviews": [{"stars": 5}]}


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"id": "1", "stars": 0, "text": "x"}, "invalid_argument"),
        ({"id": "1", "stars": 6, "text": "x"}, "invalid_argument"),
        ({"id": "1", "stars": 5, "text": "  "}, "invalid_argument"),
        ({"id": "1", "stars": 5, "text": "x" * 2001}, "invalid_argument"),
        ({"id": "31", "stars": 5, "text": "x"}, "product_not_found"),
        ({"id": "1", "stars": 2**31, "text": "x"}, "invalid_variables"),
        ({"id": "1", "stars": 5}, "invalid_variables"),
    ],
)
async def test_impossible_reviews_are_refused(
    shop: Any, neighbours: Any, variables: dict[str, Any], reason: str
) -> None:
    assert reasons(await shop.ask(ADD, neighbours.token(), **variables)) == [reason]


async def test_placing_and_cancelling_go_to_orders(shop: Any, neighbours: Any) -> None:
    place = 'mutation { placeOrder(items: [{productId: 1, quantity: 2}], idempotencyKey: "k") { id status } }'
    cancel = "mutation { cancelOrder(id: 1) { id status } }"
    placed = await shop.ask(place, neighbours.token())
    assert placed["data"]["placeOrder"] == {"id": "31", "status": "placed"}
    cancelled = await shop.ask(cancel, neighbours.token())
    assert cancelled["data"]["cancelOrder"] == {"id": "1", "status": "cancelled"}
    assert neighbours.calls == ["POST /orders", "POST /orders/1/cancel"]


@pytest.mark.parametrize("key", ["", "a b", "a\r\nX-Admin: yes", "ü", "x" * 256])
async def test_an_idempotency_key_cannot_become_another_header(shop: Any, neighbours: Any, key: str) -> None:
    query = "mutation ($key: String) { placeOrder(items: [{productId: 1}], idempotencyKey: $key) { id } }"
    assert reasons(await shop.ask(query, neighbours.token(), key=key)) == ["invalid_argument"]
    assert neighbours.calls == []


@pytest.mark.parametrize("first", [0, -1, 51])
async def test_first_is_bounded(shop: Any, first: int) -> None:
    assert reasons(await shop.ask("query ($n: Int!) { reviews(first: $n) { text } }", n=first)) == ["invalid_argument"]


async def test_all_limits_together_bound_the_upstream_calls(shop: Any, neighbours: Any) -> None:
    """The most expensive thing that fits: ten root fields, each a page of its own."""
    fields = " ".join(f'a{n}: products(first: 2, after: "{n}") {{ nodes {{ name }} }}' for n in range(1, 11))
    assert "errors" not in await shop.ask(f"{{ {fields} }}")
    assert len(neighbours.calls) == 10
    assert reasons(await shop.ask(f"{{ {fields} me {{ username }} }}")) == ["query_too_wide"]


async def test_recommendations_of_a_whole_page_are_one_call(shop: Any, neighbours: Any) -> None:
    asked = await shop.ask("{ products(first: 3) { nodes { id recommendations(first: 3) { id name } } } }")
    nodes = asked["data"]["products"]["nodes"]
    assert [[one["id"] for one in node["recommendations"]] for node in nodes] == [["2", "3"], ["3", "4"], ["4", "5"]]
    assert [call.partition("?")[0] for call in neighbours.calls].count("GET /recommendations") == 1


async def test_without_recommendations_the_rest_is_there(shop: Any, neighbours: Any) -> None:
    neighbours.answers["/recommendations"] = 503, b"{}"
    asked = await shop.ask("{ product(id: 1) { name recommendations { id } } }")
    assert asked["data"] == {"product": {"name": "Product 1", "recommendations": None}}
    assert asked["errors"][0]["extensions"]["reason"] == "peer_unavailable"
    neighbours.answers["/recommendations"] = 200, b'{"recommendations": [{"product_id": "<script>"}]}'
    asked = await shop.ask("{ product(id: 1) { name recommendations { id } } }")
    assert asked["data"]["product"]["recommendations"] is None
    assert asked["errors"][0]["extensions"]["reason"] == "peer_error"
