"""`Max-Forwards` of OPTIONS and TRACE (RFC 9110 section 7.6.2)."""

from __future__ import annotations

import pytest

from gateway.testing import Gatehouse, Gateway, Upstream

CONFIG = """
listeners: [{name: public, port: 0}]
clusters: [{name: shop, endpoints: ["127.0.0.1:1"]}]
routes: [{name: all, public: true, backendRefs: [{cluster: shop}]}]
"""


@pytest.fixture
def shop(gatehouse: Gatehouse) -> Upstream:
    return gatehouse.upstream()


@pytest.fixture
def edge(gatehouse: Gatehouse, shop: Upstream) -> Gateway:
    return gatehouse(CONFIG, clusters={"shop": shop})


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE"])
def test_each_hop_takes_one(edge: Gateway, shop: Upstream, method: str) -> None:
    edge.request(method, "/", headers={"Max-Forwards": "10"}).assert_passed(200)
    assert shop.received[0].headers["max-forwards"] == "9"


@pytest.mark.parametrize(("method", "status"), [("OPTIONS", 204), ("TRACE", 501)])
def test_at_zero_the_gateway_is_the_last(edge: Gateway, shop: Upstream, method: str, status: int) -> None:
    answer = edge.request(method, "/", headers={"Max-Forwards": "0"}).assert_refused("max_forwards", status)
    assert b"Max-Forwards" not in answer.body
    assert "max-forwards" not in answer.headers
    assert not shop.received


def test_other_methods_carry_it_as_it_is_and_nonsense_is_refused(edge: Gateway, shop: Upstream) -> None:
    edge.get("/", headers={"Max-Forwards": "0"}).assert_passed(200)
    assert shop.received[0].headers["max-forwards"] == "0"
    edge.request("OPTIONS", "/", headers={"Max-Forwards": "-1"}).assert_refused("max_forwards_malformed", 400)
    assert len(shop.received) == 1
