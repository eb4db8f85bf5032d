from __future__ import annotations

from importlib.resources import files
from typing import Any

import pytest
from graphql import build_schema, parse, validate
from lxml import etree

from sample_services.profiles.soap.contract import Contract
from sample_services.traffic import journeys, plan
from sample_services.traffic.plan import WEIGHTS
from sample_services.traffic.tokens import Tokens
from sample_services.traffic.visitor import UnexpectedError


@pytest.mark.parametrize("name", sorted(journeys.ALL))
async def test_a_shop_that_answers_rightly_is_as_expected(name: str, stage: Any) -> None:
    await journeys.ALL[name](stage.scene)
    assert stage.report.take()["requests"] >= 1


@pytest.mark.parametrize(
    ("name", "calls"),
    [
        ("browse", ["GET /products", "GET /products/"]),
        ("order", ["POST /auth/login", "GET /products", "POST /orders", "POST /orders/1061/cancel"]),
        ("profile_by_soap", ["POST /auth/login", "POST /profiles/soap"]),
        ("profile_by_graphql", ["POST /auth/login", "POST /graphql"]),
        ("partner_reads_orders", ["POST /auth/token", "GET /orders"]),
        ("without_token", ["GET /orders"]),
        ("foreign_order", ["POST /auth/login", "GET /orders/100"]),
        ("wrong_password", ["POST /auth/login"]),
    ],
)
async def test_what_a_journey_asks_for(name: str, calls: list[str], stage: Any, shop: Any) -> None:
    await journeys.ALL[name](stage.scene)
    seen = [f"{method} {path}" for method, path, _ in shop.seen]
    assert len(seen) == len(calls)
    assert all(found.startswith(wanted) for found, wanted in zip(seen, calls, strict=True))


@pytest.mark.parametrize(
    ("name", "path", "status"),
    [
        ("without_token", "/orders", 200),
        ("foreign_order", "/orders/1001", 200),
        ("foreign_order", "/orders/1002", 200),
        ("wrong_password", "/auth/login", 200),
        ("own_orders", "/orders", 403),
        ("profile_by_soap", "/profiles/soap", 500),
    ],
)
async def test_a_wrong_answer_is_unexpected(name: str, path: str, status: int, stage: Any, shop: Any) -> None:
    for other in ("/orders/1001", "/orders/1002") if name == "foreign_order" else (path,):
        shop.broken[other] = (status, {})
    with pytest.raises(UnexpectedError, match=f"answered {status}"):
        await journeys.ALL[name](stage.scene)


async def test_who_has_just_ordered_only_looks(stage: Any, shop: Any) -> None:
    for _ in range(20):
        await journeys.order(stage.scene)
    paths = [path for method, path, _ in shop.seen if method == "POST" and path.startswith("/orders")]
    assert paths == ["/orders", "/orders/1061/cancel"] * 2  # alice and bob, once each
    stage.clock[0] += plan.EVERY["order"]
    shop.seen.clear()
    await journeys.order(stage.scene)
    assert [path for method, path, _ in shop.seen if method == "POST"] == ["/orders"]


async def test_a_sold_out_product_is_no_surprise(stage: Any, shop: Any) -> None:
    shop.broken["/orders"] = (409, {})
    await journeys.order(stage.scene)
    assert shop.seen[-1][:2] == ("POST", "/orders")


def test_only_journeys_of_known_people_are_possible() -> None:
    nobody = journeys.possible(Tokens({}, {}), WEIGHTS)
    assert set(nobody) == {"browse", "without_token", "wrong_password"}
    customers = journeys.possible(Tokens({"alice": "a", "bob": "b"}, {}), WEIGHTS)
    assert "order" in customers
    assert "partner_reads_orders" not in customers
    assert "profile_by_soap" not in customers


def test_a_soap_message_is_built_not_formatted() -> None:
    root = etree.fromstring(journeys.read_profile_message("</x>&"))
    assert root[0][0][0].text == "</x>&"


def test_what_is_sent_fits_the_published_contracts() -> None:
    message = etree.fromstring(journeys.read_profile_message("alice"))
    Contract("http://gateway.example").check(message[0][0])
    schema = files("sample_services.storefront").joinpath("schema.graphql").read_text("utf-8")
    assert validate(build_schema(schema), parse(journeys.HOME_QUERY)) == []
