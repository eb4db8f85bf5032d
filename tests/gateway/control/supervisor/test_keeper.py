import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from gateway.control.supervisor.guard import Life
from gateway.control.supervisor.keeper import Keeper
from gateway.control.supervisor.process import Lifeline
from gateway.control.supervisor.program import ProcessPlan

Until = Callable[..., Awaitable[None]]
MakeKeeper = Callable[[ProcessPlan], Keeper]


class Roll:
    """Who lives, as the guard would know it."""

    def __init__(self) -> None:
        self.living: set[int] = set()

    def started(self, life: Life) -> None:
        self.living.add(life.pid)

    def ended(self, pid: int) -> None:
        self.living.remove(pid)

    def rests(self, name: str, on_purpose: bool) -> None:
        pass


@pytest.fixture
def roll() -> Roll:
    return Roll()


@pytest.fixture
def told() -> list[tuple[str, dict[str, Any]]]:
    return []


@pytest.fixture
async def keep(
    environ: dict[str, str], roll: Roll, told: list[tuple[str, dict[str, Any]]]
) -> AsyncIterator[MakeKeeper]:
    lifeline, keepers = Lifeline(), list[Keeper]()

    def make(plan: ProcessPlan) -> Keeper:
        faults = {name: value for name, value in os.environ.items() if name.startswith("PYTHON_TINY")}
        keepers.append(
            Keeper(plan, lifeline, environ | faults, roll, lambda event, **facts: told.append((event, facts)))
        )
        return keepers[-1]

    yield make
    await asyncio.gather(*(keeper.stop() for keeper in keepers))
    lifeline.close()
    assert roll.living == set()


async def test_it_starts_becomes_ready_and_stops(
    keep: MakeKeeper, tiny_plan: Callable[..., ProcessPlan], free_port: int, told: list[tuple[str, dict[str, Any]]]
) -> None:
    keeper = keep(tiny_plan(port=free_port))
    keeper.start()
    await asyncio.wait_for(keeper.wait_ready(), 10)
    assert keeper.state == "running"
    await keeper.stop()
    assert (keeper.state, keeper.pid) == ("stopped", None)
    assert [event for event, _ in told] == ["started", "ready", "stopped"]


async def test_a_killed_process_heals_and_says_why(
    keep: MakeKeeper, tiny_plan: Callable[..., ProcessPlan], free_port: int, until: Until
) -> None:
    keeper = keep(tiny_plan(port=free_port))
    keeper.start()
    await asyncio.wait_for(keeper.wait_ready(), 10)
    first = keeper.pid
    assert first
    os.kill(first, signal.SIGKILL)
    await until(lambda: keeper.state == "running" and keeper.pid != first)
    assert (keeper.restarts, keeper.last_exit) == (1, "signal SIGKILL")


async def test_what_was_stopped_on_purpose_stays_stopped_until_started(
    keep: MakeKeeper, tiny_plan: Callable[..., ProcessPlan]
) -> None:
    keeper = keep(tiny_plan())
    keeper.start()
    await keeper.wait_ready()
    await keeper.stop()
    assert (keeper.state, keeper.restarts) == ("stopped", 0)
    keeper.start()
    await keeper.wait_ready()
    assert keeper.state == "running"


async def test_starting_twice_runs_one(keep: MakeKeeper, tiny_plan: Callable[..., ProcessPlan], roll: Roll) -> None:
    keeper = keep(tiny_plan())
    keeper.start()
    keeper.start()
    await keeper.wait_ready()
    assert len(roll.living) == 1


async def test_a_process_that_keeps_dying_is_hopeless_but_goes_on_trying(
    keep: MakeKeeper, tiny_plan: Callable[..., ProcessPlan], free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHON_TINY_FAULT_ORDERS", "exit")
    keeper = keep(tiny_plan(port=free_port))
    keeper.start()
    await asyncio.wait_for(keeper.wait_hopeless(), 10)
    assert keeper.state == "backoff"
    assert (keeper.restarts, keeper.last_exit) == (3, "exit code 3")
    await asyncio.wait_for(keeper.stop(), 1)  # also while it waits


async def test_a_program_that_cannot_run_is_hopeless_too(
    keep: MakeKeeper, tiny_plan: Callable[..., ProcessPlan]
) -> None:
    keeper = keep(tiny_plan(argv=("/nonexistent",)))
    keeper.start()
    await asyncio.wait_for(keeper.wait_hopeless(), 10)
    assert "cannot be started" in str(keeper.last_exit)


async def test_kill_does_not_wait_for_the_grace(
    keep: MakeKeeper, tiny_plan: Callable[..., ProcessPlan], monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    monkeypatch.setenv("PYTHON_TINY_FAULT_ORDERS", "stubborn")
    plan = tiny_plan(grace=30.0)
    keeper = keep(plan)
    keeper.start()
    await until(lambda: plan.log.exists() and "hello" in plan.log.read_text())
    stopping = asyncio.create_task(keeper.stop())
    keeper.kill()
    await asyncio.wait_for(stopping, 5)
    assert keeper.state == "stopped"
