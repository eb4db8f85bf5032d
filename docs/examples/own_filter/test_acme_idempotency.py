"""The filter in a running gateway; `gatehouse` and `upstream` come from the pytest plugin of Gatehouse."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.testing import Gatehouse, Gateway, Upstream

CONFIG = Path(__file__).parent / "gateway.yaml"


@pytest.fixture
def gateway(gatehouse: Gatehouse, upstream: Upstream) -> Gateway:
    """The very file that runs, with a service of the test's behind it."""
    return gatehouse(CONFIG, clusters={"orders": upstream})


def with_key(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


def test_without_a_key_nothing_is_ordered(gateway: Gateway, upstream: Upstream) -> None:
    gateway.post("/orders").assert_refused("idempotency_key_missing", 400)
    gateway.get("/orders").assert_passed()
    assert [got.method for got in upstream.received] == ["GET"]


def test_of_two_at_a_time_one_passes(gateway: Gateway, upstream: Upstream) -> None:
    with upstream.hold() as held:
        first = gateway.begin("POST", "/orders", headers=with_key("a"))
        held.wait()
        gateway.post("/orders", headers=with_key("a")).assert_refused("idempotency_key_in_use", 409)
        other = gateway.begin("POST", "/orders", headers=with_key("b"))
        held.wait()
        held.release()
    first.result().assert_passed()
    other.result().assert_passed()
    assert gateway.metric("acme_idempotent_requests_total") == 2


def test_the_key_is_free_again_afterwards(gateway: Gateway, upstream: Upstream) -> None:
    upstream.hang_up(times=1)
    gateway.post("/orders", headers=with_key("a")).assert_refused("upstream_reset", 502)
    gateway.post("/orders", headers=with_key("a")).assert_passed()


def test_asking_takes_no_key(gateway: Gateway) -> None:
    for _ in range(2):
        told = gateway.explain("POST", "/orders", headers=with_key("a"))
        assert told["steps"][1]["detail"] == "the key is free"
