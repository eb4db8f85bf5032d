"""Products and orders over HTTP. Every answer here is also held against the OpenAPI document (see conftest)."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import pytest

WISH = {"items": [{"product_id": 1, "quantity": 1}, {"product_id": 3, "quantity": 2}]}


async def stock(shop: Any, product_id: int) -> int:
    return int((await shop.call("GET", f"/products/{product_id}")).body["stock"])


async def test_products_are_public_and_come_in_pages(shop: Any) -> None:
    first = await shop.call("GET", "/products?limit=10")
    assert [product["id"] for product in first.body["products"]] == list(range(1, 11))
    assert first.headers["Link"] == '</products?limit=10&cursor=10>; rel="next"'
    second = await shop.call("GET", f"/products?limit=10&cursor={first.body['next_cursor']}")
    assert [product["id"] for product in second.body["products"]] == list(range(11, 16))
    assert second.body["next_cursor"] is None
    assert "Link" not in second.headers


async def test_products_in_a_batch(shop: Any) -> None:
    answer = await shop.call("GET", "/products?ids=3,1,99")
    assert [product["id"] for product in answer.body["products"]] == [1, 3]


@pytest.mark.parametrize("path", ["/products/99", "/products/x", "/products/0", "/products/9007199254740992"])
async def test_no_such_product(shop: Any, path: str) -> None:
    answer = await shop.call("GET", path)
    assert (answer.status, answer.body["reason"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        ("limit=101", ["limit"]),
        ("limit=0", ["limit"]),
        ("limit=x", ["limit"]),
        ("cursor=-1", ["cursor"]),
        ("cursor=9007199254740992", ["cursor"]),
        ("ids=", ["ids"]),
        ("ids=1,x", ["ids"]),
        ("ids=" + ",".join(["1"] * 101), ["ids"]),
        ("limit=1&limit=2", ["limit"]),
        ("offset=3", ["offset"]),
    ],
)
async def test_wrong_query_parameters(shop: Any, query: str, parameters: list[str]) -> None:
    answer = await shop.call("GET", f"/products?{query}")
    assert (answer.status, answer.body["reason"]) == (400, "invalid_query")
    assert answer.body["parameters"] == parameters


async def test_all_of_bobs_orders_by_following_links(shop: Any) -> None:
    found: list[dict[str, Any]] = []
    path: str | None = "/orders?limit=7"
    while path:
        answer = await shop.call("GET", path, "bob")
        found += answer.body["orders"]
        link = answer.headers.get("Link", "")
        path = link[1 : link.index(">")] if link else None
    ids = [order["id"] for order in found]
    assert len(ids) == 20
    assert ids == sorted(set(ids), reverse=True)
    assert {order["customer"] for order in found} == {"bob"}


async def test_who_may_list_whose_orders(shop: Any) -> None:
    refused = await shop.call("GET", "/orders?customer=bob", "alice")
    assert (refused.status, refused.body["reason"]) == (403, "not_owner")
    assert (await shop.call("GET", "/orders?customer=*", "alice")).status == 403
    everybody = await shop.call("GET", "/orders?customer=*&limit=100", "carol")
    assert len(everybody.body["orders"]) == 60
    assert len((await shop.call("GET", "/orders?customer=bob&limit=100", "admin")).body["orders"]) == 20
    assert (await shop.call("GET", "/orders", "partner")).body["orders"] == []


async def test_a_batch_holds_only_what_the_caller_may_read(shop: Any) -> None:
    mine = await shop.call("GET", "/orders?ids=1001,1002,5", "alice")
    assert [order["id"] for order in mine.body["orders"]] == [1001]
    all_of_them = await shop.call("GET", "/orders?ids=1001,1002,5", "carol")
    assert [order["id"] for order in all_of_them.body["orders"]] == [1002, 1001]


async def test_reading_an_order_needs_its_owner(shop: Any) -> None:
    assert (await shop.call("GET", "/orders/1001", "alice")).body["customer"] == "alice"
    foreign = await shop.call("GET", "/orders/1001", "bob")
    assert (foreign.status, foreign.body["reason"]) == (403, "not_owner")
    assert "alice" not in str(foreign.body)
    assert (await shop.call("GET", "/orders/1001", "carol")).status == 200
    assert (await shop.call("GET", "/orders/1", "alice")).status == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/orders"), ("GET", "/orders/1001"), ("POST", "/orders"), ("POST", "/orders/1001/cancel")],
)
async def test_without_a_token_nothing(shop: Any, method: str, path: str) -> None:
    answer = await shop.call(method, path)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_support_reads_but_does_not_write(shop: Any) -> None:
    assert (await shop.call("POST", "/orders", "carol", json=WISH)).body["reason"] == "insufficient_scope"
    assert (await shop.call("POST", "/orders/1001/cancel", "carol")).status == 403


async def test_placing_an_order(shop: Any) -> None:
    before = await stock(shop, 3)
    answer = await shop.call("POST", "/orders", "alice", json=WISH)
    assert (answer.status, answer.headers["Location"]) == (201, "/orders/1061")
    assert (answer.body["status"], answer.body["total"], answer.body["currency"]) == ("placed", 27800, "EUR")
    assert await stock(shop, 3) == before - 2
    assert (await shop.call("GET", "/orders/1061", "alice")).body == answer.body


async def test_the_same_key_places_one_order(shop: Any) -> None:
    key = {"Idempotency-Key": '"7d0f2c1e"'}
    first, again = await asyncio.gather(
        *(shop.call("POST", "/orders", "alice", json=WISH, headers=key) for _ in range(2))
    )
    assert first.body == again.body
    assert sorted("Idempotent-Replayed" in answer.headers for answer in (first, again)) == [False, True]
    assert (await shop.call("GET", "/orders?limit=1", "alice")).body["orders"][0]["id"] == 1061
    assert shop.wakes == 1
    other = {"items": [{"product_id": 2, "quantity": 1}]}
    refused = await shop.call("POST", "/orders", "alice", json=other, headers=key)
    assert (refused.status, refused.body["reason"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("key", ["", "x" * 256, "ä"])
async def test_keys_that_are_none(shop: Any, key: str) -> None:
    answer = await shop.call("POST", "/orders", "alice", json=WISH, headers={"Idempotency-Key": key})
    assert (answer.status, answer.body["reason"]) == (400, "invalid_idempotency_key")


async def test_the_last_pieces_go_to_as_many_buyers_as_there_are(shop: Any) -> None:
    wish = {"items": [{"product_id": 14, "quantity": 4}]}
    buyers = [name for name in shop.tokens if name.startswith("buyer")]
    answers = await asyncio.gather(*(shop.call("POST", "/orders", user, json=wish) for user in buyers))
    assert sorted(answer.status for answer in answers) == [201] * 6 + [409] * 4
    assert {answer.body["reason"] for answer in answers if answer.status == 409} == {"out_of_stock"}
    assert await stock(shop, 14) == 1


async def test_what_is_scarce_is_shared_also_among_orders_at_once(shop: Any) -> None:
    wish = {"items": [{"product_id": 14, "quantity": 2}]}
    answers = await asyncio.gather(*(shop.call("POST", "/orders", "buyer0", json=wish) for _ in range(4)))
    assert sorted(answer.status for answer in answers) == [201, 201, 409, 409]
    assert {answer.body["reason"] for answer in answers if answer.status == 409} == {"fair_share"}
    placed = next(answer.body["id"] for answer in answers if answer.status == 201)
    assert (await shop.call("POST", f"/orders/{placed}/cancel", "buyer0")).status == 200
    assert (await shop.call("POST", "/orders", "buyer0", json=wish)).status == 201  # what was given back counts no more
    assert (await shop.call("POST", "/orders", "buyer1", json=wish)).status == 201


async def test_of_what_there_is_plenty_one_may_have_many(shop: Any) -> None:
    wish = {"items": [{"product_id": 7, "quantity": 100}]}
    assert (await shop.call("POST", "/orders", "buyer0", json=wish)).status == 201


@pytest.mark.parametrize(
    "items",
    [
        [],
        [{"product_id": 1, "quantity": 0}],
        [{"product_id": 1, "quantity": -1}],
        [{"product_id": 1, "quantity": 1001}],
        [{"product_id": 1, "quantity": True}],
        [{"product_id": "1", "quantity": 1}],
        [{"product_id": 2**53, "quantity": 1}],
        [{"product_id": 1, "quantity": 1, "price": 1}],
        [{"product_id": 1, "quantity": 1}, {"product_id": 1, "quantity": 2}],
        [{"product_id": number, "quantity": 1} for number in range(1, 52)],
    ],
)
async def test_bodies_that_are_no_orders(shop: Any, items: list[dict[str, Any]]) -> None:
    answer = await shop.call("POST", "/orders", "alice", json={"items": items})
    assert (answer.status, answer.body["reason"]) == (422, "invalid_body")


async def test_other_refusals_of_an_order(shop: Any) -> None:
    unknown = await shop.call("POST", "/orders", "alice", json={"items": [{"product_id": 99, "quantity": 1}]})
    assert (unknown.status, unknown.body["reason"], unknown.body["product_id"]) == (422, "unknown_product", 99)
    json_headers = {"Content-Type": "application/json"}
    broken = await shop.call("POST", "/orders", "alice", data=b'{"items":', headers=json_headers)
    assert (broken.status, broken.body["reason"]) == (400, "malformed_json")
    form = await shop.call("POST", "/orders", "alice", data={"product_id": "1"})
    assert form.status == 415
    long = await shop.call("POST", "/orders", "alice", data=io.BytesIO(b" " * 1_100_000), headers=json_headers)
    assert long.status == 413


async def test_cancelling(shop: Any) -> None:
    item = (await shop.call("GET", "/orders/1001", "alice")).body["items"][0]
    before = await stock(shop, item["product_id"])
    assert (await shop.call("POST", "/orders/1001/cancel", "bob")).body["reason"] == "not_owner"
    answer = await shop.call("POST", "/orders/1001/cancel", "alice")
    assert (answer.status, answer.body["status"]) == (200, "cancelled")
    assert await stock(shop, item["product_id"]) == before + item["quantity"]
    again = await shop.call("POST", "/orders/1001/cancel", "alice")
    assert (again.status, again.body["reason"]) == (409, "wrong_state")
    assert again.body["order_status"] == "cancelled"
    assert (await shop.call("POST", "/orders/1/cancel", "alice")).status == 404


async def test_totals_are_for_services_that_count_and_leave_out_what_is_cancelled(shop: Any) -> None:
    seeded = (await shop.call("GET", "/orders?customer=*&limit=100", "reports")).body["orders"]
    good = [order for order in seeded if order["status"] != "cancelled"]
    totals = await shop.call("GET", "/totals", "reports")
    assert totals.body == {"orders": len(good), "revenue": sum(order["total"] for order in good)}
    day = good[0]["created"][:10]
    of_day = [order["total"] for order in good if order["created"].startswith(day)]
    totals = await shop.call("GET", f"/totals?from={day}&to={day}", "reports")
    assert totals.body == {"orders": len(of_day), "revenue": sum(of_day)}
    assert (await shop.call("GET", "/totals?currency=USD", "reports")).body == {"orders": 0, "revenue": 0}
    assert (await shop.call("GET", "/totals?from=2026-13-01", "reports")).status == 400
    assert (await shop.call("GET", "/totals", "admin")).status == 403
    assert (await shop.call("POST", "/orders/1001/cancel", "reports")).status == 403
