"""`Max-Forwards` of OPTIONS and TRACE (RFC 9110 section 7.6.2)."""

from __future__ import annotations

from typing import Any

import pytest

CONFIG = """
listeners: [{{name: public, port: 0}}]
clusters: [{{name: shop, endpoints: ["{shop}"]}}]
routes: [{{name: all, public: true, backendRefs: [{{cluster: shop}}]}}]
"""
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def asked(method: str, value: str) -> bytes:
    return f"{method} / HTTP/1.1\r\nHost: a\r\nMax-Forwards: {value}\r\nConnection: close\r\n\r\n".encode()


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE"])
async def test_each_hop_takes_one(upstream: Any, gateway: Any, method: str) -> None:
    shop = await upstream(OK)
    edge = await gateway(CONFIG.format(shop=shop.address))
    assert (await edge.raw(asked(method, "10"))).startswith(b"HTTP/1.1 200")
    assert b"max-forwards: 9\r\n" in shop.seen[0].lower()


@pytest.mark.parametrize(("method", "status"), [("OPTIONS", b"204"), ("TRACE", b"501")])
async def test_at_zero_the_gateway_is_the_last(upstream: Any, gateway: Any, method: str, status: bytes) -> None:
    shop = await upstream(OK)
    edge = await gateway(CONFIG.format(shop=shop.address))
    answer = await edge.raw(asked(method, "0"))
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"Max-Forwards" not in answer
    assert not shop.seen


async def test_other_methods_carry_it_as_it_is_and_nonsense_is_refused(upstream: Any, gateway: Any) -> None:
    shop = await upstream(OK)
    edge = await gateway(CONFIG.format(shop=shop.address))
    assert (await edge.raw(asked("GET", "0"))).startswith(b"HTTP/1.1 200")
    assert (await edge.raw(asked("OPTIONS", "-1"))).startswith(b"HTTP/1.1 400")
    assert len(shop.seen) == 1
