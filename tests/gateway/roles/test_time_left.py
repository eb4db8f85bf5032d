"""How long a service is waited for: told with each try, taken over from proxies of ours, from nobody else."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.gateway.roles.test_exchange import OK, last, problem, statuses
from tests.gateway.roles.test_retries import BUSY, Script, never

NAME = b"x-envoy-expected-rq-timeout-ms"


def config(address: str, timeouts: str, listener: str = "", route: str = "") -> str:
    return f"""
listeners: [{{name: public, port: 0{listener}}}]
clusters:
  - {{name: shop, endpoints: ["{address}"]}}
routes:
  - name: everything
    public: true
    timeouts: {timeouts}
    backendRefs: [{{cluster: shop}}]
{route}
"""


def told(head: bytes) -> list[int]:
    return [int(value) for value in re.findall(NAME + rb": (\d+)\r\n", head.lower())]


@pytest.mark.parametrize(
    ("timeouts", "least", "most"),
    [
        ("{request: 2s, propagate: true}", 1900, 2000),
        ("{request: 2s, backendRequest: 1s, propagate: true}", 900, 1000),
        ("{request: 0s, backendRequest: 1s, propagate: true}", 900, 1000),
    ],
)
async def test_a_try_tells_what_is_left(upstream: Any, gateway: Any, timeouts: str, least: int, most: int) -> None:
    shop = await upstream(OK)
    edge = await gateway(config(shop.address, timeouts))
    await edge.raw(last("/", "X-Envoy-Expected-Rq-Timeout-Ms: 7"))
    (left,) = told(shop.seen[0])
    assert least <= left <= most


@pytest.mark.parametrize("timeouts", ["{request: 2s}", "{request: 0s, backendRequest: 0s, propagate: true}"])
async def test_where_nothing_is_told_the_clients_word_is_dropped_too(
    upstream: Any, gateway: Any, timeouts: str
) -> None:
    shop = await upstream(OK)
    edge = await gateway(config(shop.address, timeouts))
    await edge.raw(last("/", "X-Envoy-Expected-Rq-Timeout-Ms: 7"))
    assert told(shop.seen[0]) == []


async def test_a_later_try_has_less(upstream: Any, gateway: Any) -> None:
    shop = await upstream(Script(BUSY, OK))
    retry = "    retry: {on: [gateway-error], backoff: 10ms}"
    edge = await gateway(config(shop.address, "{request: 2s, propagate: true}", route=retry))
    edge.worker.random.random = lambda: 0.999  # so that the wait is not nearly nothing
    assert statuses(await edge.raw(last())) == [200]
    first, second = (told(head)[0] for head in shop.seen)
    assert first - second >= 9


async def test_a_trusted_peers_word_is_an_upper_bound(upstream: Any, gateway: Any) -> None:
    shop = await upstream(OK)
    edge = await gateway(config(shop.address, "{request: 2s, propagate: true}", ", trustedHops: 1"))
    for sent, least, most in (("500", 400, 500), ("60000", 1900, 2000), ("soon", 1900, 2000), ("0", 1900, 2000)):
        await edge.raw(last("/", f"X-Envoy-Expected-Rq-Timeout-Ms: {sent}"))
        assert least <= told(shop.seen[-1])[0] <= most
    two = ["X-Envoy-Expected-Rq-Timeout-Ms: 500"] * 2
    await edge.raw(last("/", *two))
    assert told(shop.seen[-1])[0] > 1900
    edge.apply(config(shop.address, "{request: 0s, backendRequest: 0s, propagate: true}", ", trustedHops: 1"))
    await edge.raw(last("/", two[0]))
    assert 400 <= told(shop.seen[-1])[0] <= 500


async def test_we_work_no_longer_than_a_trusted_peer_waits(upstream: Any, gateway: Any) -> None:
    shop = await upstream(never)
    edge = await gateway(config(shop.address, "{request: 15s}", ", trustedHops: 1"))
    reply = problem(await edge.raw(last("/", "X-Envoy-Expected-Rq-Timeout-Ms: 100")))
    assert (reply["status"], reply["reason"]) == (504, "request_timeout")
