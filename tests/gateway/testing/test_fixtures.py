"""What the pytest plugin hands out, used as people use it: without the fixtures of our own conftest."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.filters.base import Decision, Filter, FilterSpec
from gateway.http.messages import Reply, Request
from gateway.spec.errors import SpecErrors, UnusableFilter
from gateway.testing import Clock, Gatehouse, Issuer, Upstream, make_filter, make_request

OPEN = """
listeners: [{name: public, port: 8088}]
clusters: [{name: shop, endpoints: ["${SHOP:-127.0.0.1:1}"]}]
routes:
  - name: everything
    public: true
    matches: [{path: {value: /shop}}]
    filters: [{type: RateLimit, requests: 2, per: 1m, burst: 2}]
    backendRefs: [{cluster: shop}]
"""
PROTECTED = """
listeners: [{name: public, port: 8088}]
providers:
  - {name: shop, issuer: "https://shop.example", audiences: [shop], jwks: {cluster: shop, path: /keys}}
clusters: [{name: shop, endpoints: ["127.0.0.1:1"]}]
routes:
  - name: orders
    matches: [{path: {value: /orders}}]
    filters:
      - {type: JWT, provider: shop}
      - {type: Authorize, scopes: ["orders:read"]}
    backendRefs: [{cluster: shop}]
"""
SHOP = Path(__file__).parents[3] / "config" / "shop.yaml"
ORDER = {
    "id": 1001,
    "customer": "alice",
    "status": "placed",
    "total": 1990,
    "currency": "EUR",
    **dict.fromkeys(("created", "updated"), "2026-01-17T21:39:00.000Z"),
    "items": [{"product_id": 13, "name": "Door mat", "quantity": 1, "unit_price": 1990}],
    "payment": "paid",
}
"""An answer of the shop's orders, which answers are held to (config/orders.openapi.yaml)."""


@pytest.fixture
def upstream(gatehouse: Gatehouse) -> Upstream:
    """As the plugin has it; the conftest of these folders has another one of this name."""
    return gatehouse.upstream()


def test_a_request_goes_through_and_back(gatehouse: Gatehouse, upstream: Upstream) -> None:
    upstream.answer(201, json={"id": 7}, headers={"X-Service": "yes"}, to="POST /shop/orders")
    gateway = gatehouse(OPEN, clusters={"shop": upstream})
    answer = gateway.post("/shop/orders?x=1", json={"items": [1]}, headers={"X-Own": "1"}).assert_passed(201)
    assert (answer.json(), answer.headers["x-service"]) == ({"id": 7}, "yes")
    assert (answer.route, answer.cluster, answer.reason) == ("everything", "shop", "")
    (got,) = upstream.received
    assert (got.method, got.target, got.path, got.json()) == (
        "POST",
        "/shop/orders?x=1",
        "/shop/orders",
        {"items": [1]},
    )
    assert got.headers["x-own"] == "1"


def test_limits_without_waiting(gatehouse: Gatehouse, upstream: Upstream, gatehouse_clock: Clock) -> None:
    gateway = gatehouse(OPEN, clusters={"shop": upstream})
    gateway.get("/shop").assert_passed()
    gateway.get("/shop").assert_passed()
    refused = gateway.get("/shop").assert_refused("rate_limited", 429)
    assert refused.policy == "test.yaml:8"
    assert gateway.metric("gateway_local_replies_total", reason="rate_limited") == 1
    gatehouse_clock.advance(60)
    gateway.get("/shop").assert_passed()
    assert len(upstream.received) == 3


def test_time_outs_without_waiting(gatehouse: Gatehouse, upstream: Upstream, gatehouse_clock: Clock) -> None:
    gateway = gatehouse(OPEN, clusters={"shop": upstream})
    with upstream.hold() as held:
        slow = gateway.begin("GET", "/shop")
        held.wait()
        gatehouse_clock.advance(16)
        slow.result(10).assert_refused("request_timeout", 504)


def test_without_a_clock_time_passes(gatehouse: Gatehouse) -> None:
    gateway = gatehouse(OPEN)
    assert gateway.worker.clock is time.monotonic


def test_tokens(gatehouse: Gatehouse, upstream: Upstream, issuer: Issuer) -> None:
    gateway = gatehouse(PROTECTED, clusters={"shop": upstream}, issuers={"shop": issuer})
    gateway.get("/orders").assert_refused("token_missing", 401)
    gateway.get("/orders", token=issuer.token()).assert_refused("insufficient_scope", 403)
    gateway.get("/orders", token=issuer.token(scopes=["orders:read"], forged=True)).assert_refused("jwt_signature")
    gateway.get("/orders", token=issuer.token(scopes=["orders:read"], expires_in=-60)).assert_refused("jwt_expired")
    gateway.get("/orders", token=issuer.token(aud="other")).assert_refused("jwt_audience")
    good = issuer.token("bob", scopes=["orders:read"])
    gateway.get("/orders", token=good).assert_passed()
    (got,) = upstream.received
    assert got.headers["authorization"] == f"Bearer {good}"


def test_tokens_expire_when_the_clock_says_so(
    gatehouse: Gatehouse, upstream: Upstream, issuer: Issuer, gatehouse_clock: Clock
) -> None:
    gateway = gatehouse(PROTECTED, clusters={"shop": upstream}, issuers={"shop": issuer})
    token = issuer.token(scopes=["orders:read"], expires_in=600)
    gateway.get("/orders", token=token).assert_passed()
    gatehouse_clock.advance(700)
    gateway.get("/orders", token=token).assert_refused("jwt_expired")


def test_the_real_configuration_with_other_services(gatehouse: Gatehouse, upstream: Upstream, issuer: Issuer) -> None:
    gateway = gatehouse(SHOP, clusters={"orders": upstream}, issuers={"shop": issuer})
    upstream.answer(json=ORDER)
    token = issuer.token("alice", scopes=["orders:read"])
    gateway.get("/orders/1001", token=token).assert_passed()
    gateway.post("/orders", json={}, token=token).assert_refused("insufficient_scope", 403)
    gateway.get("/orders", listener="internal").assert_refused("no_route", 404)
    assert [got.path for got in upstream.received] == ["/orders/1001"]


def test_it_explains(gatehouse: Gatehouse, upstream: Upstream, issuer: Issuer) -> None:
    gateway = gatehouse(PROTECTED, clusters={"shop": upstream}, issuers={"shop": issuer})
    told = gateway.explain("GET", "/orders", claims={"sub": "eve", "scope": "profiles:read"})
    assert (told["outcome"], told["reason"]) == ("deny", "insufficient_scope")
    assert [step["verdict"] for step in told["steps"]] == ["pass", "deny"]
    assert upstream.received == []


def test_a_failed_assertion_says_why(gatehouse: Gatehouse, issuer: Issuer) -> None:
    gateway = gatehouse(PROTECTED, issuers={"shop": issuer})
    answer = gateway.get("/orders", token=issuer.token("eve"))
    with pytest.raises(AssertionError, match=r"(?s)403, reason insufficient_scope.*2 Authorize \(test.yaml:11\) deny"):
        answer.assert_passed()
    with pytest.raises(AssertionError, match="expected a refusal, 401, token_missing; got 403"):
        answer.assert_refused("token_missing", 401)
    served = gatehouse(OPEN, clusters={"shop": gatehouse.upstream()}).get("/shop")
    with pytest.raises(AssertionError, match="got 200 from shop"):
        served.assert_refused("rate_limited")
    with pytest.raises(AssertionError, match="expected 201 from the service"):
        served.assert_passed(201)


def test_a_service_that_is_down_hangs_up_or_comes_back(gatehouse: Gatehouse, upstream: Upstream) -> None:
    gateway = gatehouse(OPEN.replace("requests: 2", "requests: 100").replace("burst: 2", "burst: 9"),
                        clusters={"shop": upstream})  # fmt: skip
    upstream.hang_up(to="POST /shop", times=1)
    gateway.post("/shop").assert_refused("upstream_reset", 502)
    gateway.post("/shop").assert_passed()
    upstream.stop()
    gateway.get("/shop").assert_refused("upstream_connect_failure", 503)
    upstream.start()
    gateway.get("/shop").assert_passed()


def test_requests_at_the_same_time(gatehouse: Gatehouse, upstream: Upstream) -> None:
    gateway = gatehouse(OPEN, clusters={"shop": upstream})
    with upstream.hold() as held:
        both = [gateway.begin("GET", "/shop"), gateway.begin("GET", "/shop")]
        held.wait(2)
        assert not any(one.done() for one in both)
        held.release()
        for one in both:
            one.result(10).assert_passed()


async def test_in_a_coroutine(gatehouse: Gatehouse, upstream: Upstream) -> None:
    gateway = gatehouse(OPEN, clusters={"shop": upstream})
    answer = await asyncio.wrap_future(gateway.begin("GET", "/shop"))
    answer.assert_passed()


def test_a_reload(gatehouse: Gatehouse, upstream: Upstream) -> None:
    gateway = gatehouse(OPEN, clusters={"shop": upstream})
    for _ in range(2):
        gateway.get("/shop").assert_passed()
    gateway.reload(OPEN.replace("/shop}", "/other}"), clusters={"shop": upstream})
    gateway.get("/shop").assert_refused("no_route")
    gateway.get("/other").assert_refused("rate_limited")  # what did not change keeps its count


def test_a_dictionary_and_variables(gatehouse: Gatehouse, upstream: Upstream) -> None:
    config = {
        "listeners": [{"name": "public", "port": 8088}],
        "clusters": [{"name": "shop", "endpoints": ["${SHOP}"]}],
        "routes": [{"name": "all", "public": True, "backendRefs": [{"cluster": "shop"}]}],
    }
    gatehouse(config, variables={"SHOP": upstream.address}).get("/x").assert_passed()


def test_bytes_that_are_no_request(gatehouse: Gatehouse) -> None:
    answer = gatehouse(OPEN).raw(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_chunked_and_expected_bodies_reach_the_service(gatehouse: Gatehouse, upstream: Upstream) -> None:
    gateway = gatehouse(OPEN, clusters={"shop": upstream})
    head = b"POST /shop HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert gateway.raw(head + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").startswith(b"HTTP/1.1 200 ")
    assert upstream.received[0].body == b"abcde"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"clusters": {"sohp": "127.0.0.1:1"}}, 'no cluster "sohp"; it has shop'),
        ({"issuers": {"shop": None}}, 'no provider "shop"; it has none'),
    ],
)
def test_what_the_configuration_has_not(gatehouse: Gatehouse, more: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        gatehouse(OPEN, **more)


def test_mistakes_are_told_with_their_line(gatehouse: Gatehouse) -> None:
    with pytest.raises(SpecErrors, match=r"test\.yaml:6:5: unknown key"):
        gatehouse(OPEN.replace("    public", "    pubic"))


class RefuseSpec(FilterSpec):
    """What to refuse."""

    method: str


class Refuse(Filter[RefuseSpec]):
    """Refuses a method."""

    Spec = RefuseSpec

    def decide(self, request: Request) -> Decision:
        return Reply(403, "refused_here") if request.method == self.spec.method else None


WITH_REFUSE = OPEN.replace("{type: RateLimit, requests: 2, per: 1m, burst: 2}", "{type: Refuse, method: POST}")


def test_a_filter_that_no_package_brings(gatehouse: Gatehouse, upstream: Upstream) -> None:
    gateway = gatehouse(WITH_REFUSE, clusters={"shop": upstream}, filters={"Refuse": Refuse})
    gateway.get("/shop").assert_passed()
    gateway.post("/shop").assert_refused("refused_here", 403)


def test_it_is_gone_after_the_test(gatehouse: Gatehouse) -> None:
    with Gatehouse() as other:
        other(WITH_REFUSE, filters={"Refuse": Refuse})
    with pytest.raises(SpecErrors, match='unknown filter type "Refuse"'):
        gatehouse(WITH_REFUSE)


def test_a_class_that_is_no_filter(gatehouse: Gatehouse) -> None:
    with pytest.raises(UnusableFilter, match="does not derive from"):
        gatehouse(WITH_REFUSE, filters={"Refuse": dict})  # type: ignore[dict-item]


def test_a_filter_alone() -> None:
    one = make_filter(Refuse, type="Refuse", method="PUT")
    assert one.decide(make_request("GET", "/x")) is None
    assert one.decide(make_request("PUT", "/x", body=b"abc")) == Reply(403, "refused_here")
    request = make_request("POST", "/x?a=1", {"X-Own": "1"}, body=b"abc", claims={"sub": "alice"})
    assert (request.body, request.length, request.get(b"x-own"), request.subject) == (b"abc", 3, "1", "alice")
