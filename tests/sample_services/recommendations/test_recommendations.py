"""The model, and the service as a real process."""

from __future__ import annotations

import json
from importlib.resources import files
from math import sqrt
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sample_services.kit.contract import read_contract
from sample_services.orders.seed import PRODUCTS
from sample_services.recommendations.api import MAX_LIMIT, MAX_PRODUCTS
from sample_services.recommendations.model import Match, Model, read_baskets
from tests.sample_services.contracts import check_answer

BASKETS = [[1, 2], [1, 2, 3], [1, 3], [4]]


def test_what_goes_together() -> None:
    model = Model(BASKETS)
    assert model.also(1, 5) == [Match(2, round(2 / sqrt(3 * 2), 3)), Match(3, round(2 / sqrt(3 * 2), 3))]
    assert model.also(2, 1) == [Match(1, round(2 / sqrt(2 * 3), 3))]
    assert model.also(4, 5) == model.also(99, 5) == []


@given(st.lists(st.lists(st.integers(1, 9), max_size=6), max_size=20), st.randoms())
def test_a_model_is_its_baskets_whatever_their_order(baskets: list[list[int]], chance: Any) -> None:
    shuffled = [chance.sample(basket, len(basket)) for basket in chance.sample(baskets, len(baskets))]
    model, other = Model(baskets), Model(shuffled)
    assert model.name == other.name
    for product in range(1, 10):
        matches = model.also(product, 10)
        assert matches == other.also(product, 10)
        assert product not in [one.product_id for one in matches]
        assert all(0 < one.score <= 1 for one in matches)
        assert all(any(back.product_id == product for back in model.also(one.product_id, 10)) for one in matches)


@pytest.mark.parametrize("text", ["{}", "[1]", '[["1"]]', "[[true]]", "[[0]]"])
def test_what_is_no_baskets(text: str) -> None:
    with pytest.raises(ValueError, match="product ids"):
        read_baskets(text)


def test_the_baskets_that_come_with_it_name_products_and_nobody() -> None:
    baskets = read_baskets(files("sample_services.recommendations").joinpath("baskets.json").read_text("utf-8"))
    assert {product for basket in baskets for product in basket} <= {product.id for product in PRODUCTS}
    assert all(Model(baskets).also(product.id, 3) for product in PRODUCTS)


def ask(url: str, path: str) -> tuple[int, Any]:
    try:
        with urlopen(url + path, timeout=5) as answer:
            status, media_type, body = answer.status, answer.headers.get_content_type(), json.load(answer)
    except HTTPError as error:
        with error:
            status, media_type, body = error.code, error.headers.get_content_type(), json.load(error)
    check_answer(read_contract("recommendations"), "GET", path.partition("?")[0], status, media_type, body)
    return status, body


def test_the_service(start_shared_service: Any) -> None:
    service = start_shared_service("recommendations", "sample_services.recommendations")
    status, body = ask(service.url, "/recommendations?products=1,99,1&limit=2")
    assert status == 200
    assert [(one["product_id"], len(one["also"])) for one in body["recommendations"]] == [(1, 2), (99, 0)]
    assert ask(service.url, "/recommendations/openapi.json") == (200, read_contract("recommendations"))
    many = ",".join(map(str, range(1, MAX_PRODUCTS + 2)))
    for query in (
        "",
        "?products=",
        "?products=x",
        f"?products={many}",
        "?products=1&limit=11",
        "?products=1&products=2",
    ):
        assert ask(service.url, f"/recommendations{query}")[0] == 400
    assert not list(service.data_dir.iterdir())  # it keeps nothing
    assert service.stop() == 0


def test_bounds_in_the_document_are_those_of_the_code() -> None:
    products, limit = read_contract("recommendations")["paths"]["/recommendations"]["get"]["parameters"]
    assert (products["schema"]["maxItems"], limit["schema"]["maximum"]) == (MAX_PRODUCTS, MAX_LIMIT)
