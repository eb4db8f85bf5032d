"""Requests and routes in a few words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.routing.table import RouteTable
from gateway.spec.models import Match, PathMatch, Route


class Asked:
    """What a table may ask a request for."""

    def __init__(self, headers: dict[str, str] | None = None, query: str = "") -> None:
        self.query = query
        self.headers = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]

    def all(self, name: bytes) -> list[bytes]:
        return [value for field, value in self.headers if field == name]


@pytest.fixture(scope="session")
def asked() -> type[Asked]:
    return Asked


@pytest.fixture(scope="session")
def route() -> Callable[..., Route]:
    def make(name: str, path: str = "/", kind: str = "PathPrefix", **rest: Any) -> Route:
        hostnames = rest.pop("hostnames", ())
        match = Match(path=PathMatch(type=kind, value=path), **rest)
        return Route(name=name, hostnames=hostnames, matches=(match,), where=f"test.yaml:{len(name)}")

    return make


@pytest.fixture(scope="session")
def table_of() -> Callable[..., RouteTable[str]]:
    return lambda *routes: RouteTable([(one, one.name) for one in routes])
