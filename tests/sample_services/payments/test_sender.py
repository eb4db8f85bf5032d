"""A webhook is sent, under one id, until somebody acknowledges it."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import pytest
from multidict import CIMultiDict
from prometheus_client import CollectorRegistry

from sample_services.kit.contract import read_contract
from sample_services.kit.database import Database
from sample_services.kit.metrics import Metrics
from sample_services.kit.service import Service
from sample_services.kit.settings import Settings
from sample_services.kit.telemetry import Telemetry
from sample_services.orders.webhook import verify
from sample_services.payments import store
from sample_services.payments.api import Api
from sample_services.payments.sender import FIRST_PAUSE_S, MAX_ATTEMPTS, MAX_PAUSE_S, Sender, pause
from tests.sample_services.contracts import check_document

SECRET = "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU="


@dataclass
class Merchant:
    """Answers with these statuses, then 204; and a clock that tells when it was asked."""

    now: float = 1_767_600_000.0
    statuses: list[int] = field(default_factory=list)
    seen: list[tuple[float, str, bytes]] = field(default_factory=list)

    async def post(self, body: bytes, headers: dict[str, str]) -> int:
        verify(CIMultiDict(headers), body, [SECRET], lambda: self.now)  # each attempt is good when it comes
        self.seen.append((self.now, headers["webhook-id"], body))
        return self.statuses.pop(0) if self.statuses else 204


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    telemetry = Telemetry(Settings(service="payments", instance="payments-1", data_dir=tmp_path), Metrics())
    schema = files("sample_services.payments").joinpath("schema.sql").read_text("utf-8")
    db = await Database.open(tmp_path / "payments.db", "payments", telemetry, schema, lambda _: None)
    yield db
    await db.close()
    telemetry.close()


def sender(db: Database, merchant: Merchant) -> Sender:
    log = logging.getLogger("payments")
    return Sender(db, SECRET, merchant.post, CollectorRegistry(), log, lambda: merchant.now, lambda: 0.0)


async def paid(db: Database, merchant: Merchant) -> store.Payment:
    made = await db.write(store.create, "order-1", 100, "EUR", "key", merchant.now)
    decided = await db.write(store.decide, made.id, "paid", merchant.now)
    assert decided is not None
    return decided


async def test_it_is_tried_again_with_growing_pauses_under_the_same_id(db: Database) -> None:
    merchant = Merchant(statuses=[0, 500, 302, 404])
    payment = await paid(db, merchant)
    sends = sender(db, merchant)
    while (due := await db.read(store.next_due)) is not None:
        merchant.now = max(merchant.now, due)
        await sends.turn()
    times = [time for time, _, _ in merchant.seen]
    assert [after - before for before, after in pairwise(times)] == [0.25, 0.5, 1.0, 2.0]
    assert len({message for _, message, _ in merchant.seen}) == 1
    (body,) = {body for _, _, body in merchant.seen}
    assert json.loads(body) == {"type": "payment.paid", "timestamp": 1_767_600_000.0, "data": vars(payment)}
    (row,) = await db.read(store.deliveries, 5)
    assert (row["outcome"], row["attempts"]) == ("delivered", 5)


async def test_it_is_given_up_in_the_end(db: Database) -> None:
    merchant = Merchant(statuses=[503] * (MAX_ATTEMPTS + 5))
    await paid(db, merchant)
    sends = sender(db, merchant)
    while (due := await db.read(store.next_due)) is not None:
        merchant.now = max(merchant.now, due)
        await sends.turn()
    assert len(merchant.seen) == MAX_ATTEMPTS
    assert (await db.read(store.deliveries, 5))[0]["outcome"] == "given_up"


async def test_nothing_is_tried_before_its_time(db: Database) -> None:
    merchant = Merchant(statuses=[500])
    await paid(db, merchant)
    sends = sender(db, merchant)
    await sends.turn()
    merchant.now += 0.24
    await sends.turn()
    assert len(merchant.seen) == 1


async def test_what_is_decided_stays_and_is_told_once(db: Database) -> None:
    merchant = Merchant()
    payment = await paid(db, merchant)
    again = await db.write(store.decide, payment.id, "failed", merchant.now)
    assert again == payment
    assert len(await db.read(store.deliveries, 5)) == 1
    assert await db.write(store.decide, "pay_unknown", "paid", merchant.now) is None
    assert await db.write(store.create, "order-1", 100, "EUR", "key", merchant.now) == payment


def test_pauses_are_bounded() -> None:
    assert pause(0, 0.999) < FIRST_PAUSE_S <= pause(1, 0.0)
    assert pause(10_000, 0.999) <= MAX_PAUSE_S


async def test_the_document(tmp_path: Path, db: Database) -> None:
    settings = Settings(service="payments", instance="payments-1", data_dir=tmp_path / "own")
    settings.data_dir.mkdir()
    service = Service(settings, logging.getLogger("payments"))
    await service.open("", lambda *_: None)
    service.app.add_routes(Api(service, "key", "none", sender(db, Merchant())).routes())
    check_document(read_contract("payments"), service.app)
    await service.close()
