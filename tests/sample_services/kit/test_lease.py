"""What only one copy may do: never two, always one, and soon another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sample_services.kit.database import Database
from sample_services.kit.lease import LEASE_TABLE, LIFE, Lease
from sample_services.kit.telemetry import Telemetry


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Copies:
    """Two copies of a service, each with a database connection of its own."""

    def __init__(self, one: Database, other: Database) -> None:
        self.clock = Clock()
        self.one, self.other = (
            Lease(db, "relay", name, self.clock) for db, name in ((one, "orders-1"), (other, "orders-2"))
        )


@pytest.fixture
async def copies(tmp_path: Path, telemetry: Telemetry) -> AsyncIterator[Copies]:
    opened = await asyncio.gather(
        *(Database.open(tmp_path / "o.db", "orders", telemetry, LEASE_TABLE, lambda _: None) for _ in range(2))
    )  # at once, on a file that does not exist: neither fails
    yield Copies(*opened)
    for database in opened:
        await database.close()


async def test_one_holds_it_until_its_life_is_over(copies: Copies) -> None:
    assert await copies.one.take()
    assert not await copies.other.take()
    copies.clock.now += LIFE - 0.1
    assert not await copies.other.take()
    assert await copies.one.take()  # renewed
    copies.clock.now += LIFE - 0.1
    assert not await copies.other.take()
    copies.clock.now += 0.2
    assert await copies.other.take()
    assert not await copies.one.take()


async def test_given_back_it_is_free_at_once(copies: Copies) -> None:
    assert await copies.one.take()
    await copies.other.give_back()  # not its own: nothing happens
    assert not await copies.other.take()
    await copies.one.give_back()
    assert await copies.other.take()


async def test_work_goes_on_in_another_copy_when_one_stops(copies: Copies) -> None:
    working: list[str] = []
    started = asyncio.Event()

    async def work(name: str) -> None:
        working.append(name)
        started.set()
        await asyncio.Event().wait()

    first = asyncio.create_task(copies.one.alone(lambda: work("one")))
    await started.wait()
    second = asyncio.create_task(copies.other.alone(lambda: work("other")))
    await asyncio.sleep(0)
    assert working == ["one"]
    started.clear()
    first.cancel()
    async with asyncio.timeout(5):
        await started.wait()
    assert working == ["one", "other"]
    second.cancel()
    await asyncio.gather(first, second, return_exceptions=True)


async def test_an_error_of_the_work_comes_out_and_frees_it(copies: Copies) -> None:
    async def fail() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await copies.one.alone(fail)
    assert await copies.other.take()
