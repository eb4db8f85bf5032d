"""Canaries in the control process: reports come in, one decision goes out to all workers and outlives the process."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from gateway.control.servers import Control
from gateway.control.settings import ControlSettings
from tests.gateway.control.test_reload import edit

CANARY = "    canary: {cluster: next, weight: 20, rollback: {minRequests: 10, window: 5s}}\n"
OTHER = """\
  - name: other
    public: true
    matches: [{path: {value: /other}}]
    backendRefs: [{cluster: orders}]
    canary: {cluster: next, weight: 30}
"""


@pytest.fixture
def config(config: Path) -> Path:
    text = config.read_text().replace("clusters:\n", 'clusters:\n  - {name: next, endpoints: ["127.0.0.1:9"]}\n')
    config.write_text(text + CANARY + OTHER)
    return config


def side(requests: int, failures: int = 0) -> dict[str, Any]:
    return {"requests": requests, "failures": failures, "times": [[3, requests]]}


def report(worker: Any, of: str, canary: dict[str, Any], stable: dict[str, Any], route: str = "orders") -> None:
    worker.send(type="stats", families=[], canaries={route: {"of": of, "canary": canary, "stable": stable}})


async def fails(instance: Any, worker: Any, of: str) -> None:
    """A worker whose canary fails while the other side does not."""
    report(worker, of, side(0), side(0))
    report(worker, of, side(20, 15), side(80))
    await instance.until(lambda: decision(instance).state == "rolled_back")


def decision(instance: Any, route: str = "orders") -> Any:
    return instance.plane.canaries.book.watched[route].decision


async def test_a_worker_learns_the_weights_before_its_configuration(instance: Any) -> None:
    worker = await instance.worker()
    assert worker.heard[:2] == ["canaries", "snapshot"]
    assert {route: one["weight"] for route, one in worker.orders["canaries"].items()} == {"orders": 20, "other": 30}
    assert all(one["open"] for one in worker.orders["canaries"].values())


async def test_one_decision_for_all_workers_and_it_is_told(instance: Any, caplog: pytest.LogCaptureFixture) -> None:
    failing = await instance.worker("gateway-1", 1)
    calm = await instance.worker("gateway-2", 2)
    await fails(instance, failing, decision(instance).of)
    wanted = {"weight": 0, "open": False, "of": decision(instance).of}
    await instance.until(lambda: calm.orders["canaries"]["orders"] == failing.orders["canaries"]["orders"] == wanted)
    assert calm.orders["canaries"]["other"]["weight"] == 30
    told, other = (await instance.get("/canaries"))["canaries"]
    assert (told["route"], told["state"], told["weight"], told["configured_weight"]) == ("orders", "rolled_back", 0, 20)
    assert told["why"].startswith("15 of 20 requests failed (75 %)")
    assert (other["state"], other["weight"]) == ("running", 30)
    async with instance.http.get(instance.url + "/metrics") as response:
        text = await response.text()
    assert 'gateway_canary_weight{http_route="orders"} 0.0' in text
    assert 'gateway_canary_weight{http_route="other"} 30.0' in text
    assert 'gateway_canary_rollbacks_total{cause="error_ratio",http_route="orders"} 1.0' in text
    (record,) = [one for one in caplog.records if one.getMessage() == "canary rolled_back"]
    assert record.levelname == "WARNING"
    routes = {one["name"]: one["canary"] for one in (await instance.get("/routes"))["routes"]}
    assert routes["orders"] == {"name": "next", "weight": 0}


async def test_several_workers_are_one_count(instance: Any) -> None:
    """Neither alone has the ten requests that it needs."""
    of = decision(instance).of
    workers = [await instance.worker("gateway-1", 1), await instance.worker("gateway-2", 2)]
    for worker in workers:
        report(worker, of, side(0), side(0))
    report(workers[0], of, side(6, 6), side(40))
    await instance.until(lambda: instance.plane.canaries.book.watched["orders"].view()["canary"]["requests"] == 6)
    assert decision(instance).state == "running"
    report(workers[1], of, side(6, 6), side(40))
    await instance.until(lambda: decision(instance).state == "rolled_back")


async def test_it_outlives_workers_and_control(instance: Any, settings: ControlSettings, state_dir: Path) -> None:
    worker = await instance.worker()
    await fails(instance, worker, decision(instance).of)
    await worker.close()
    late = await instance.worker("gateway-1", 102)
    assert late.orders["canaries"]["orders"]["weight"] == 0
    file = state_dir / "canaries.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert json.loads(file.read_text())["canaries"]["orders"]["open"] is False
    before = decision(instance)
    await instance.control.stop()
    again = Control(settings, instance.plane.reloader.source.load)
    await again.start()
    await again.stop()
    assert again.plane.canaries.book.watched["orders"].decision == before


async def test_changes_by_hand(instance: Any) -> None:
    worker = await instance.worker()
    answer = await instance.post("/canaries/orders", {"do": "weight", "weight": 25})
    assert (answer["weight"], answer["state"], answer["why"]) == (25, "running", "set by request")
    await instance.until(lambda: worker.orders["canaries"]["orders"]["weight"] == 25)
    assert (await instance.post("/canaries/orders", {"do": "promote"}))["weight"] == 100
    assert (await instance.post("/canaries/orders", {"do": "rollback"}))["state"] == "rolled_back"
    assert (await instance.post("/canaries/orders", {"do": "resume"}))["weight"] == 25
    async with instance.http.get(instance.url + "/metrics") as response:
        assert 'gateway_canary_rollbacks_total{cause="request",http_route="orders"} 1.0' in await response.text()


@pytest.mark.parametrize(
    "body",
    [{}, {"do": "fly"}, {"do": "weight"}, {"do": "weight", "weight": 101}, {"do": "weight", "weight": "5"},
     {"do": "promote", "weight": 5}, {"do": "resume", "more": 1}],
)  # fmt: skip
async def test_a_change_that_makes_no_sense_changes_nothing(instance: Any, body: dict[str, Any]) -> None:
    assert (await instance.post("/canaries/orders", body, status=422))["reason"] == "invalid_body"
    assert decision(instance).weight == 20


async def test_a_route_without_a_canary_and_a_stranger(instance: Any) -> None:
    assert (await instance.post("/canaries/nobody", {"do": "resume"}, status=404))["reason"] == "no_canary"
    async with instance.http.post(f"{instance.url}/canaries/orders", json={"do": "promote"}) as response:
        assert response.status == 401
    assert decision(instance).weight == 20


async def test_a_refused_reload_does_not_forget_a_roll_back(instance: Any, config: Path) -> None:
    """The file's new block would begin anew; workers did not take it, so the old decision is still the one."""
    worker = await instance.worker(
        reject=lambda snapshot: "no" if '"weight":21' in json.dumps(snapshot, separators=(",", ":")) else None
    )
    await fails(instance, worker, decision(instance).of)
    edit(config, "weight: 20", "weight: 21")
    assert (await instance.post("/reload", status=409))["reason"] == "config_rolled_back"
    assert (await instance.get("/canaries"))["canaries"][0]["state"] == "rolled_back"
    edit(config, "weight: 21", "weight: 22")
    await instance.post("/reload")
    told = (await instance.get("/canaries"))["canaries"][0]
    assert (told["state"], told["weight"]) == ("running", 22)
    await instance.until(lambda: worker.orders["canaries"]["orders"]["weight"] == 22)


async def test_while_workers_are_still_asked_nothing_is_forgotten(instance: Any, config: Path) -> None:
    """A look at the canaries in the middle of a roll-out that will fail."""
    worker = await instance.worker()
    await instance.post("/canaries/orders", {"do": "rollback"})
    instance.plane.reloader._ack_seconds = 0.3
    worker.silent = True
    edit(config, "weight: 20", "weight: 21")
    asked = asyncio.create_task(instance.post("/reload", status=409))
    await worker.saw(2)
    assert (await instance.get("/canaries"))["canaries"][0]["state"] == "rolled_back"
    await asked
    assert (await instance.get("/canaries"))["canaries"][0]["state"] == "rolled_back"


async def test_a_worker_that_lies_is_disconnected(instance: Any) -> None:
    worker = await instance.worker()
    report(worker, "x", {"requests": -1, "failures": 0, "times": []}, side(0))
    await instance.until(lambda: not instance.plane.channel.workers)


async def test_an_unreadable_file_is_told_and_not_believed(
    instance: Any, settings: ControlSettings, state_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await instance.control.stop()
    (state_dir / "canaries.json").write_text('{"canaries": {"orders": {"weight": "all"}}}')
    again = Control(settings, instance.plane.reloader.source.load)
    await again.start()
    await again.stop()
    assert again.plane.canaries.book.watched["orders"].decision.weight == 20
    assert "begin anew" in caplog.text
