"""Requests and clocks for filters, without a gateway around them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from random import Random
from typing import Any

import pytest

from gateway.filters.base import Build
from gateway.filters.jwt import JwtFilter
from gateway.filters.provider import Provider
from gateway.http.heads import read_request
from gateway.http.messages import Request
from gateway.observability.metrics import Metrics
from gateway.spec.filters import Jwt
from gateway.spec.models import Cluster as ClusterSpec
from gateway.testing import Clock
from gateway.upstream.cluster import Cluster


@pytest.fixture
def clock() -> Clock:
    return Clock(1_000_000.0)


@pytest.fixture
def build(clock: Clock) -> Callable[..., Build]:
    def make(**providers: Any) -> Build:
        return Build(providers, Metrics(), clock, clock)

    return make


@pytest.fixture
async def cluster() -> AsyncIterator[Callable[..., Cluster]]:
    """Make clusters of addresses; what they keep open is closed at the end."""
    made: list[Cluster] = []

    def make(*addresses: str) -> Cluster:
        made.append(Cluster(ClusterSpec(name="identity", endpoints=addresses), addresses, lambda: 0.0, Random(1)))
        return made[-1]

    yield make
    for one in made:
        one.retire()
    await asyncio.sleep(0)


@pytest.fixture
def ask() -> Callable[..., Request]:
    def make(path: str = "/orders/1", *fields: str, method: str = "GET", host: str = "shop.test") -> Request:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *fields]
        request = read_request(("\r\n".join(lines) + "\r\n\r\n").encode())
        request.client = request.address = "192.0.2.1"
        return request

    return make


@pytest.fixture
def provider(clock: Clock) -> Provider:
    from tests.gateway.filters.tokens import JWKS, make_provider

    return make_provider(clock, "shop", "https://id.test", JWKS)


@pytest.fixture
def check(provider: Provider, build: Callable[..., Build], ask: Callable[..., Request]) -> Callable[..., Any]:
    """Ask a JWT filter of the shop's about an Authorization header."""
    from tests.gateway.filters.tokens import checking

    return checking(JwtFilter(Jwt(provider="shop"), build(shop=provider)), ask)
