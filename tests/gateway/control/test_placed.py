"""Who sends requests is told where services are, until everybody has it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.control import placed as placed_module
from gateway.control.placed import Placed
from gateway.control.placement import Placement


async def test_new_addresses_of_sidecars_that_a_worker_did_not_take_are_told_again(
    instance: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(placed_module, "AGAIN_SECONDS", 0.0)
    worker, told = await instance.worker(), asyncio.Event()
    addresses = {"orders": ["127.0.0.1:7001"]}
    mesh = SimpleNamespace(
        identities={"orders": ""},
        registry=SimpleNamespace(endpoints=lambda: addresses),
        plane=SimpleNamespace(tell=told.set),
    )
    plane: Any = SimpleNamespace(
        settings=instance.settings, mesh=mesh, reloader=instance.plane.reloader, follow=lambda: None
    )
    placed = Placed(plane, Placement())
    worker.reject = lambda snapshot: "too busy"
    await placed.moved(addresses)
    async with asyncio.timeout(5):
        await told.wait()
    told.clear()
    worker.reject = lambda snapshot: None
    await placed.moved(addresses)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not told.is_set()
