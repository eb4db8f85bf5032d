from __future__ import annotations

import asyncio
import logging
from itertools import repeat
from typing import Any

import pytest

from sample_services.traffic import party


class EnoughError(Exception):
    pass


class Pauses:
    """Stands in for sleeping: notes how long, and ends the visit after so many."""

    def __init__(self, most: int) -> None:
        self.seconds: list[float] = []
        self._most = most

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        if len(self.seconds) == self._most:
            raise EnoughError


async def _visit(stage: Any, name: str, pauses: Pauses) -> Any:
    with pytest.raises(EnoughError):
        await party.visit(stage.scene, repeat(name), stage.report, pauses)
    return stage.report.take()


async def test_away_longer_and_longer_while_nobody_answers(stage: Any, unused_tcp_port: int) -> None:
    stage.scene.visitor._base_url = f"http://127.0.0.1:{unused_tcp_port}"
    pauses = Pauses(4)
    counts = await _visit(stage, "browse", pauses)
    assert pauses.seconds == [0.5, 1.0, 2.0, 4.0]
    assert counts["journeys"] == {"browse": {"unreachable": 4}}
    assert counts["requests"] == counts["unreachable"] == 4


async def test_a_limit_is_respected_up_to_a_point(stage: Any, shop: Any) -> None:
    shop.broken["/orders"] = (429, {"Retry-After": "3600"})
    pauses = Pauses(2)
    counts = await _visit(stage, "without_token", pauses)
    assert pauses.seconds == [10.0, 10.0]
    assert counts["journeys"] == {"without_token": {"limited": 2}}


async def test_a_refused_token_is_not_used_again(stage: Any, shop: Any) -> None:
    shop.broken["/orders"] = (401, {})
    names = iter(["own_orders", "own_orders"])
    with pytest.raises(RuntimeError, match="StopIteration"):
        await party.visit(stage.scene, names, stage.report)
    assert [path for _, path, _ in shop.seen] == ["/auth/login", "/orders"] * 2
    counts = stage.report.take()
    assert counts["journeys"] == {"own_orders": {"unexpected": 2}}
    assert counts["examples"]["own_orders"].startswith("GET /orders?limit=5 answered 401")


async def test_everybody_goes_home_when_told(stage: Any, caplog: pytest.LogCaptureFixture) -> None:
    stop = asyncio.Event()
    stop.set()
    with caplog.at_level(logging.INFO):
        await party.until(stop, stage.scene, repeat("browse"), stage.report, logging.getLogger("traffic"))
    assert [record.message for record in caplog.records] == ["traffic"]
    assert len(asyncio.all_tasks()) == 1
