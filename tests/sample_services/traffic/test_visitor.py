from __future__ import annotations

from typing import Any

import pytest

from sample_services.traffic.visitor import LimitedError, UnexpectedError, UnreachableError


async def test_an_expected_answer_is_given_and_counted(stage: Any) -> None:
    page = await stage.scene.visitor.call_json("GET", "/products?limit=2")
    assert [product["id"] for product in page["products"]] == [1, 2]
    assert stage.report.take()["statuses"] == {"200": 1}


async def test_another_answer_is_unexpected_and_counted(stage: Any, shop: Any) -> None:
    shop.broken["/products"] = (503, {})
    with pytest.raises(UnexpectedError, match=r"GET /products answered 503, not \[200\]"):
        await stage.scene.visitor.call("GET", "/products")
    assert stage.report.take()["statuses"] == {"503": 1}


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("soon", 1.0), (None, 1.0), ("²", 1.0)])
async def test_too_many_requests_says_how_long(stage: Any, shop: Any, header: str | None, seconds: float) -> None:
    shop.broken["/products"] = (429, {"Retry-After": header} if header else {})
    with pytest.raises(LimitedError) as limited:
        await stage.scene.visitor.call("GET", "/products")
    assert limited.value.seconds == seconds


async def test_a_gateway_that_is_away_is_counted(stage: Any, unused_tcp_port: int) -> None:
    stage.scene.visitor._base_url = f"http://127.0.0.1:{unused_tcp_port}"
    with pytest.raises(UnreachableError):
        await stage.scene.visitor.call("GET", "/products")
    assert stage.report.take()["unreachable"] == 1
