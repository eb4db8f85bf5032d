"""Background tasks: started again, counted, ended."""

from __future__ import annotations

import asyncio
import logging

import pytest
from prometheus_client import CollectorRegistry, Counter

from sample_services.kit import background
from sample_services.kit.background import Tasks, pause


def test_pauses_grow_to_a_limit() -> None:
    assert [pause(n, 1.0) for n in range(4)] == [0.1, 0.2, 0.4, 0.8]
    assert pause(1_000_000, 1.0) == 10.0
    assert pause(0, 0.0) == 0.05


async def test_starts_failed_work_again_until_it_succeeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "FIRST_PAUSE_S", 0.0)
    failures = Counter("failures", "…", ("task",), registry=CollectorRegistry())
    tries, done = [], asyncio.Event()

    async def work() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise ValueError("not yet")
        done.set()

    tasks = Tasks(logging.getLogger("test"), failures)
    tasks.start(work, "work")
    await asyncio.wait_for(done.wait(), 5)
    await tasks.stop()
    assert failures.labels("work")._value.get() == 2
    assert len(tries) == 3


@pytest.mark.parametrize(("error", "stack"), [(ConnectionRefusedError("nobody there"), False), (KeyError("x"), True)])
async def test_who_is_away_is_told_without_a_stack(
    error: Exception, stack: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(background, "FIRST_PAUSE_S", 0.0)
    again = asyncio.Event()

    async def work() -> None:
        if caplog.records:
            again.set()
            return
        raise error

    tasks = Tasks(logging.getLogger("test"), Counter("f", "…", ("task",), registry=CollectorRegistry()))
    tasks.start(work, "work")
    await asyncio.wait_for(again.wait(), 5)
    await tasks.stop()
    assert [record.exc_info is not None for record in caplog.records] == [stack]


async def test_a_cancellation_that_was_lost_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one is that meets the end of `asyncio.wait_for`, before Python 3.12."""
    monkeypatch.setattr(background, "CANCEL_AGAIN_S", 0.01)
    begun, lost = asyncio.Event(), []

    async def work() -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            lost.append(1)
        await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await begun.wait()
    await asyncio.wait_for(background.end(task), 5)
    assert (task.cancelled(), lost) == (True, [1])


async def test_stop_cancels_and_waits() -> None:
    running, cleaned = asyncio.Event(), []

    async def work() -> None:
        try:
            running.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(1)

    tasks = Tasks(logging.getLogger("test"), Counter("f", "…", ("task",), registry=CollectorRegistry()))
    tasks.start(work, "work")
    await running.wait()
    await tasks.stop()
    assert cleaned == [1]
