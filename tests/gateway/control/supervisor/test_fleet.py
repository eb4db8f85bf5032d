import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from gateway.control.supervisor.errors import CannotStart
from gateway.control.supervisor.fleet import Fleet, UnknownProcess
from gateway.control.supervisor.guard import Guard
from gateway.control.supervisor.keeper import Report
from gateway.control.supervisor.ports import bind, is_free
from gateway.control.supervisor.process import Lifeline
from gateway.control.supervisor.program import ProcessPlan

Until = Callable[..., Awaitable[None]]
Told = list[tuple[str, str]]


def three_ports() -> list[int]:
    probes = [bind("127.0.0.1", 0) for _ in range(3)]
    numbers = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return numbers


def make_fleet(plans: list[ProcessPlan], environ: dict[str, str], report: Report) -> Fleet:
    return Fleet(plans, environ, report, Lifeline(), Guard())


@pytest.fixture
def told() -> Told:
    return []


@pytest.fixture
def plans(tiny_plan: Callable[..., ProcessPlan]) -> list[ProcessPlan]:
    redis, control, orders = three_ports()
    return [
        tiny_plan("redis", redis, kind="redis"),
        tiny_plan("control", control, kind="control"),
        tiny_plan("gateway-1", kind="worker"),
        tiny_plan("gateway-2", kind="worker"),
        tiny_plan("orders", orders),
        tiny_plan("traffic", autostart=False),
    ]


@pytest.fixture
async def fleet(plans: list[ProcessPlan], environ: dict[str, str], told: Told) -> AsyncIterator[Fleet]:
    faults = {name: value for name, value in os.environ.items() if name.startswith("PYTHON_TINY")}
    fleet = make_fleet(plans, environ | faults, lambda event, **facts: told.append((event, facts["name"])))
    await fleet.start()
    yield fleet
    await fleet.stop()
    assert fleet.pids() == []
    assert all(is_free(plan.port) for plan in plans if plan.port)


async def test_all_become_ready_and_traffic_waits(fleet: Fleet) -> None:
    await fleet.wait_ready(10)
    rows = {row["name"]: row for row in fleet.describe()}
    assert {name: row["state"] for name, row in rows.items()} == dict.fromkeys(rows, "running") | {"traffic": "stopped"}
    assert rows["orders"]["rss_bytes"] > 1_000_000
    assert rows["orders"]["restarts"] == 0


async def test_they_stop_in_order(fleet: Fleet, told: Told) -> None:
    fleet.find("traffic")[0].start()
    await fleet.wait_ready(10)
    await fleet.stop()
    stopped = [name for event, name in told if event == "stopped"]
    assert stopped[0] == "traffic"
    assert set(stopped[1:3]) == {"gateway-1", "gateway-2"}
    assert stopped[3:] == ["orders", "control", "redis"]


async def test_any_process_heals_while_the_others_stay(fleet: Fleet, until: Until) -> None:
    await fleet.wait_ready(10)
    before = {keeper.plan.name: keeper.pid for keeper in fleet.keepers}
    guard = fleet.guard.pid
    for name in ("orders", "gateway-1", "redis"):
        os.kill(before[name] or 0, signal.SIGKILL)
    os.kill(guard or 0, signal.SIGKILL)
    await until(lambda: all(keeper.state == "running" for keeper in fleet.keepers if keeper.restarts))
    await until(lambda: sum(keeper.restarts for keeper in fleet.keepers) == 3)
    await until(lambda: fleet.guard.pid not in (None, guard))
    await asyncio.wait_for(fleet.wait_ready(10), 10)
    after = {keeper.plan.name: keeper.pid for keeper in fleet.keepers}
    assert {name for name in before if before[name] != after[name]} == {"orders", "gateway-1", "redis"}


async def test_what_cannot_start_is_named_with_its_last_words(
    plans: list[ProcessPlan], environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet = make_fleet(plans, environ | {"PYTHON_TINY_FAULT_ORDERS": "exit"}, lambda event, **facts: None)
    await fleet.start()
    with pytest.raises(CannotStart, match=r"(?s)orders does not stay up \(exit code 3\).*orders says hello") as failed:
        await fleet.wait_ready(10)
    assert failed.value.exit_code == 1
    await fleet.stop()


async def test_what_never_answers_is_named_with_its_probe(plans: list[ProcessPlan], environ: dict[str, str]) -> None:
    fleet = make_fleet(plans, environ | {"PYTHON_TINY_FAULT_ORDERS": "deaf"}, lambda event, **facts: None)
    await fleet.start()
    with pytest.raises(CannotStart, match=r"orders is not ready after 1 s \(port"):
        await fleet.wait_ready(1)
    await fleet.stop()


async def test_the_additional_condition_counts(fleet: Fleet) -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    with pytest.raises(CannotStart, match="not ready after"):
        await fleet.wait_ready(1, also=never)


async def test_a_worker_that_keeps_dying_fails_the_start(plans: list[ProcessPlan], environ: dict[str, str]) -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    fleet = make_fleet(plans, environ | {"PYTHON_TINY_FAULT_GATEWAY_1": "exit"}, lambda event, **facts: None)
    await fleet.start()
    with pytest.raises(CannotStart, match="gateway-1 does not stay up"):
        await fleet.wait_ready(10, also=never)
    await fleet.stop()


async def test_hurrying_ends_a_stubborn_process_at_once(plans: list[ProcessPlan], environ: dict[str, str]) -> None:
    fleet = make_fleet(plans, environ | {"PYTHON_TINY_FAULT_ORDERS": "stubborn"}, lambda event, **facts: None)
    await fleet.start()
    await fleet.wait_ready(10)
    stopping = asyncio.create_task(fleet.stop())
    fleet.hurry()
    await asyncio.wait_for(stopping, 3)


def test_the_gateway_is_all_workers(plans: list[ProcessPlan]) -> None:
    fleet: Any = make_fleet(plans, {}, lambda event, **facts: None)
    assert [keeper.plan.name for keeper in fleet.find("gateway")] == ["gateway-1", "gateway-2"]
    with pytest.raises(UnknownProcess, match="no process 'ordres'; there are: redis, control"):
        fleet.find("ordres")
    fleet._lifeline.close()
