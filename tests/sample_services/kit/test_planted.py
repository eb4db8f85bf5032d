"""What a version does wrong on purpose, and how much of it."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from sample_services.kit import planted
from sample_services.kit.planted import Leak
from sample_services.kit.problems import Problem
from sample_services.kit.settings import Planted


async def well(_: web.Request) -> web.StreamResponse:
    return web.Response()


def test_a_leak_keeps_something_of_each_request_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planted, "MOST_LEAKED", 4_500)
    leak, none = Leak(1_024), Leak(0)
    for number in range(1, 9):
        leak.grow()
        none.grow()
        assert sum(map(len, leak.kept)) == 1_024 * min(number, 4)
    assert none.kept == []


async def test_requests_leak_and_probes_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    grown: list[object] = []
    monkeypatch.setattr(Leak, "grow", lambda leak: grown.append(leak))
    spoil = planted.plant(Planted(leak=1))
    for path in ("/metrics", "/healthz", "/profiles"):
        await spoil(make_mocked_request("GET", path), well)
    assert len(grown) == 1


async def test_probes_do_not_fail() -> None:
    spoil = planted.plant(Planted(errors=1.0))
    await spoil(make_mocked_request("GET", "/metrics"), well)
    with pytest.raises(Problem, match="fails on purpose"):
        await spoil(make_mocked_request("GET", "/profiles"), well)
