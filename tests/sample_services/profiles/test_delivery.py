"""Credential resets reach identity: after it was away, after this process was killed, as part of the same trace."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from sample_services.kit.client import HttpClient
from sample_services.kit.database import Database
from sample_services.kit.metrics import Metrics
from sample_services.kit.settings import Settings
from sample_services.kit.telemetry import Telemetry
from sample_services.profiles import recovery, seeds, store
from sample_services.profiles.delivery import Delivery, outcome_counter
from sample_services.profiles.recovery import Reset

TRACE = "0af7651916cd43dd8448eb211c80319c"
RESET = Reset("r1", "bob", "lost", "carol", f"00-{TRACE}-b7ad6b7169203331-01")


class Bench:
    """A Delivery with a database, a clock that stands still, and no random part in its waits."""

    def __init__(self, database: Database, http: HttpClient, telemetry: Telemetry) -> None:
        self.database = database
        self.now = 100.0
        log = logging.getLogger("test")
        self.registry = CollectorRegistry()
        outcomes = outcome_counter(self.registry)
        self.delivery = Delivery(database, http, telemetry, outcomes, log, lambda: self.now, lambda: 0.0)

    def count(self, outcome: str) -> float | None:
        return self.registry.get_sample_value("profiles_credential_resets_total", {"outcome": outcome})

    async def pending(self) -> tuple[float, Reset] | None:
        return await self.database.read(recovery.next_pending)


@pytest.fixture
async def bench(tmp_path: Path, fresh_identity: Any) -> AsyncIterator[Bench]:
    settings = Settings.model_validate(
        {
            "service": "profiles",
            "instance": "profiles-1",
            "data_dir": tmp_path,
            "peers": {"identity": fresh_identity.url},
            "secrets": {"client_secret": "for-tests"},
        }
    )
    telemetry = Telemetry(settings, Metrics())
    http = HttpClient(settings, telemetry, Metrics())
    database = await Database.open(tmp_path / "profiles.db", "profiles", telemetry, store.SCHEMA, seeds.fill)
    yield Bench(database, http, telemetry)
    await http.close()
    await database.close()
    telemetry.close()


async def test_what_is_due_is_delivered_once(bench: Bench, fresh_identity: Any) -> None:
    assert await bench.delivery.step() == 2.0
    await bench.database.write(recovery.record, RESET, bench.now)
    assert await bench.delivery.step() == 0.0
    assert await bench.delivery.step() == 2.0
    [(body, headers)] = fresh_identity.resets
    assert body == {"username": "bob", "reason": "lost"}
    assert headers["idempotency-key"] == "r1"
    assert headers["authorization"] == "Bearer the service's own"
    assert headers["traceparent"].split("-")[1] == TRACE


async def test_a_failed_try_is_made_again_later(bench: Bench, fresh_identity: Any) -> None:
    await bench.database.write(recovery.record, RESET, bench.now)
    fresh_identity.away = True
    waits = []
    for _ in range(3):
        await bench.delivery.step()
        waits.append(await bench.delivery.step())
        bench.now += waits[-1]
    assert waits == [0.25, 0.5, 1.0]
    assert fresh_identity.tries == bench.count("postponed") == 3
    fresh_identity.away = False
    await bench.delivery.step()
    assert len(fresh_identity.resets) == 1
    assert await bench.pending() is None


async def test_a_refused_reset_does_not_block_the_next(bench: Bench, fresh_identity: Any) -> None:
    fresh_identity.unknown.add("bob")
    await bench.database.write(recovery.record, RESET, bench.now)
    await bench.database.write(recovery.record, Reset("r2", "alice", "lost", "carol", ""), bench.now + 1)
    bench.now += 1
    await bench.delivery.step()
    await bench.delivery.step()
    assert [body["username"] for body, _ in fresh_identity.resets] == ["alice"]
    assert (bench.count("refused"), bench.count("delivered")) == (1, 1)
    assert await bench.pending() is None


def _until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_recovery_survives_identitys_absence_and_kill_9(
    start_profiles: Any, caller_of: Any, fresh_identity: Any
) -> None:
    goro, carol = fresh_identity.token("goro", "customer"), fresh_identity.token("carol", "support")
    fresh_identity.away = True
    service = start_profiles()
    assert caller_of(service, goro).send_to("DELETE", "/profiles/goro").status_code == 204
    traced = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    answer = caller_of(service, carol).send_to("POST", "/profiles/goro/recover", headers=traced)
    assert answer.json()["credential_reset"] == "pending"
    _until(lambda: fresh_identity.tries > 0)
    service.kill()
    assert fresh_identity.resets == []

    fresh_identity.away = False
    service = start_profiles()
    _until(lambda: bool(service.log_lines("credential reset delivered")))
    assert caller_of(service, goro).send_to("GET", "/profiles/goro").status_code == 200
    [(body, headers)] = fresh_identity.resets
    assert body["username"] == "goro"
    assert headers["traceparent"].split("-")[1] == TRACE
    [line] = service.log_lines("credential reset delivered")
    assert line["trace_id"] == TRACE
