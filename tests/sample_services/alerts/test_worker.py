"""Inbox and worker on a real Redis, in the test's own process: who gets what, how often, and what becomes of it."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from sample_services.alerts import store
from sample_services.alerts.worker import GROUP, Worker, WorkerMetrics
from sample_services.kit.consumer import MAX_DELIVERIES
from sample_services.kit.database import Database
from sample_services.kit.inbox import DEAD, STREAM, Delivery, Inbox
from sample_services.kit.metrics import Metrics
from sample_services.kit.settings import Settings
from sample_services.kit.telemetry import Telemetry


@dataclass
class Bench:
    """A worker with its parts; pauses are noted and cost nothing, and any pending entry is stale at once."""

    worker: Worker
    redis: Redis
    db: Database
    registry: CollectorRegistry
    pauses: list[float] = field(default_factory=list)

    async def add(self, *events: bytes) -> None:
        for event in events:
            await self.redis.xadd(STREAM, {"event": event})

    async def turns(self, number: int = 1) -> None:
        for _ in range(number):
            await self.worker.turn(wait_ms=1)

    async def seen(self) -> list[str]:
        return await self.db.read(_event_ids)

    async def dead(self) -> list[dict[bytes, bytes]]:
        entries: Any = await self.redis.xrange(DEAD)
        return [fields for _, fields in entries]

    def outcomes(self, outcome: str) -> float | None:
        return self.registry.get_sample_value("alerts_events_total", {"outcome": outcome})


def _event_ids(connection: sqlite3.Connection) -> list[str]:
    return [row["id"] for row in connection.execute("SELECT id FROM event ORDER BY rowid")]


@pytest.fixture
async def bench(tmp_path: Path, redis_server: Any, schema: str) -> AsyncIterator[Bench]:
    telemetry = Telemetry(Settings(service="alerts", instance="alerts-1", data_dir=tmp_path), Metrics())
    db = await Database.open(tmp_path / "alerts.db", "alerts", telemetry, schema, lambda _: None)
    user = redis_server.admin
    redis = Redis.from_url(user["url"], username=user["username"], password=user["password"])
    registry = CollectorRegistry()

    async def pause(seconds: float) -> None:
        made.pauses.append(seconds)

    inbox = Inbox(redis, GROUP, "alerts-1", stale_ms=0)
    log = logging.getLogger("alerts")
    worker = Worker(inbox, db, telemetry, WorkerMetrics(registry), log, lambda: 1769947200.0, pause)
    made = Bench(worker, redis, db, registry)
    await inbox.open()
    yield made
    await redis.aclose()
    await db.close()
    telemetry.close()


async def test_events_are_worked_through_in_order_and_acknowledged(bench: Bench, event: Any) -> None:
    await bench.add(event(1), event(2), event(3))
    await bench.turns()
    assert await bench.seen() == ["event-1", "event-2", "event-3"]
    assert await bench.worker.inbox.pending() == 0
    assert bench.outcomes("processed") == 3


async def test_opening_twice_keeps_the_group_where_it_is(bench: Bench, event: Any) -> None:
    await bench.add(event(1))
    await bench.turns()
    await bench.worker.inbox.open()
    await bench.turns()
    assert bench.outcomes("processed") == 1
    assert bench.outcomes("repeated") is None


async def test_an_event_sent_twice_gives_one_finding(bench: Bench, event: Any) -> None:
    await bench.add(event(1, total=100_000), event(1, total=100_000))
    await bench.turns()
    assert bench.outcomes("repeated") == 1
    assert bench.registry.get_sample_value("alerts_findings_total", {"rule": "high_value"}) == 1


async def test_a_finding_is_logged(bench: Bench, event: Any, caplog: pytest.LogCaptureFixture) -> None:
    await bench.add(event(1, total=100_000))
    await bench.turns()
    (record,) = [record for record in caplog.records if record.message == "suspicious order"]
    told = vars(record)
    assert (told["rule"], told["observed"], told["order_id"]) == ("high_value", 100_000, 1001)


async def test_poison_goes_to_the_dead_letters_after_five_deliveries(bench: Bench, event: Any) -> None:
    await bench.add(b"\xff no json", event(1))
    await bench.turns(MAX_DELIVERIES - 1)
    assert await bench.seen() == ["event-1"]  # others did not wait for it
    assert (await bench.dead(), await bench.worker.inbox.pending()) == ([], 1)
    await bench.turns()
    (letter,) = await bench.dead()
    assert letter[b"event"] == b"\xff no json"
    assert letter[b"reason"].startswith(b"MalformedEventError: event: Invalid JSON")
    assert letter[b"deliveries"] == b"5"
    assert await bench.worker.inbox.pending() == 0
    assert (bench.outcomes("failed"), bench.outcomes("dead")) == (5, 1)


async def test_an_entry_without_an_event_is_poison_too(bench: Bench) -> None:
    await bench.redis.xadd(STREAM, {"other": "field"})
    await bench.turns(MAX_DELIVERIES)
    assert len(await bench.dead()) == 1


async def test_an_event_that_kills_its_consumer_is_given_up_unopened(bench: Bench, event: Any) -> None:
    """Five times somebody took it and never came back: Redis counted, nobody else could."""
    await bench.add(event(1))
    await bench.redis.xreadgroup(GROUP, "dead-consumer", {STREAM: ">"})
    for _ in range(MAX_DELIVERIES - 1):
        await bench.redis.xautoclaim(STREAM, GROUP, "dead-consumer", min_idle_time=0)
    await bench.turns()
    assert await bench.seen() == []
    (letter,) = await bench.dead()
    assert letter[b"reason"] == b"no attempt came to an end"


async def test_entries_of_a_dead_consumer_are_taken_over(bench: Bench, event: Any) -> None:
    await bench.add(event(1), event(2))
    await bench.redis.xreadgroup(GROUP, "dead-consumer", {STREAM: ">"})
    await bench.turns()
    assert await bench.seen() == ["event-1", "event-2"]
    assert await bench.worker.inbox.pending() == 0


async def test_entries_are_left_to_a_consumer_that_is_still_at_it(bench: Bench, event: Any) -> None:
    await bench.add(event(1))
    await bench.redis.xreadgroup(GROUP, "busy-consumer", {STREAM: ">"})
    assert await Inbox(bench.redis, GROUP, "alerts-1", stale_ms=60_000).stale() == []


async def test_after_a_restart_our_own_entries_come_first(
    bench: Bench, event: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.add(*(event(number) for number in range(120)))
    await bench.redis.xreadgroup(GROUP, "alerts-1", {STREAM: ">"}, count=110)
    monkeypatch.setattr(bench.worker, "turn", _stop)
    with pytest.raises(_StoppedError):
        await bench.worker.run()
    assert await bench.seen() == [f"event-{number}" for number in range(110)]


async def test_a_crash_between_commit_and_acknowledgement_doubles_nothing(
    bench: Bench, event: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.add(event(1, total=100_000))
    with monkeypatch.context() as patch:
        patch.setattr(bench.worker.inbox, "done", _stop)
        with pytest.raises(_StoppedError):
            await bench.turns()
    assert await bench.worker.inbox.pending() == 1
    await bench.turns()
    assert bench.outcomes("repeated") == 1
    assert await bench.db.read(lambda c: c.execute("SELECT count(*) FROM finding").fetchone()[0]) == 1


async def test_database_trouble_is_not_the_events_fault(
    bench: Bench, event: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failures = store.work_through, MAX_DELIVERIES + 3

    def full_disk(*args: Any) -> Any:
        nonlocal failures
        failures -= 1
        if failures >= 0:
            raise sqlite3.OperationalError("database or disk is full")
        return real(*args)

    monkeypatch.setattr(store, "work_through", full_disk)
    await bench.add(event(1))
    await bench.turns()
    assert len(bench.pauses) == MAX_DELIVERIES + 3
    assert (await bench.seen(), await bench.dead()) == (["event-1"], [])


async def test_what_the_capped_stream_dropped_is_not_pending_for_ever(bench: Bench, event: Any) -> None:
    await bench.add(event(1), event(2))
    await bench.redis.xreadgroup(GROUP, "alerts-1", {STREAM: ">"})
    await bench.redis.xtrim(STREAM, maxlen=1, approximate=False)
    await bench.turns()  # 6.2 does not say which entry is gone …
    await bench.worker._recover()  # … until we read our own notes
    assert await bench.seen() == ["event-2"]
    assert await bench.worker.inbox.pending() == 0


async def test_what_the_capped_stream_dropped_is_reported(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    await bench.worker.handle(Delivery("1-1", None, 1))
    assert bench.outcomes("dropped") == 1
    assert "event lost" in caplog.text


class _StoppedError(Exception):
    pass


async def _stop(*_args: object, **_options: object) -> None:
    raise _StoppedError
