"""Hours of the planned traffic in simulated time, judged by the rules that look for suspicious orders."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from sample_services.alerts.events import CANCELLED, CREATED, Item, OrderEvent, OrderFacts
from sample_services.alerts.rules import WINDOWS, Finding, Window, find
from sample_services.orders.seed import PRODUCTS
from sample_services.traffic import journeys, plan
from sample_services.traffic.__main__ import RATE
from sample_services.traffic.journeys import Scene
from sample_services.traffic.plan import Pace, Restraint

START = datetime(2026, 1, 1, tzinfo=UTC)
HOURS = 3


class Shop:
    """Takes every order; `visitor` and `tokens` of a scene in one, without network. The token is the name."""

    def __init__(self) -> None:
        self.now = 0.0
        self.orders: list[tuple[str, list[dict[str, int]]]] = []
        self.events: list[OrderEvent] = []

    async def of(self, _: Any, name: str) -> str:
        return name

    async def call(self, method: str, path: str, *, token: str = "", **_: Any) -> bytes:
        if path.endswith("/cancel"):
            self._tell(CANCELLED, int(path.split("/")[2]))
        return b"{}"

    async def call_json(self, method: str, path: str, *, token: str = "", json: Any = None, **_: Any) -> Any:
        if method == "GET":
            return {"products": [{"id": product.id} for product in PRODUCTS]}
        self.orders.append((token, json["items"]))
        self._tell(CREATED, len(self.orders) - 1)
        return {"id": len(self.orders) - 1}

    def _tell(self, kind: str, order: int) -> None:
        customer, items = self.orders[order]
        prices = {product.id: product.price for product in PRODUCTS}
        total = sum(prices[item["product_id"]] * item["quantity"] for item in items)
        facts = OrderFacts(
            order_id=order + 1, customer=customer, total=total, currency="EUR", items=[Item(**item) for item in items]
        )
        when = START + timedelta(seconds=self.now)
        self.events.append(OrderEvent(id=str(len(self.events)), type=kind, time=when, data=facts))


async def events_of(seed: int) -> list[OrderEvent]:
    shop, dice = Shop(), random.Random(seed)
    pace, names = Pace(RATE, dice), plan.journeys(plan.WEIGHTS, dice)
    scene = Scene(shop, shop, dice, Restraint(lambda: shop.now))  # type: ignore[arg-type]  # by what they do
    while shop.now < HOURS * 3_600:
        shop.now += pace.take(shop.now)  # as if each journey were one request: more journeys than there will be
        if (name := next(names)) == "order":
            await journeys.ALL[name](scene)
    return shop.events


def findings(events: list[OrderEvent], more: int = 0) -> list[Finding]:
    """What the rules say; `more` events of the same kind are made by hand within every window."""

    def seen(event: OrderEvent, window: Window) -> int:
        kin = [one for one in events if (one.type, one.data.customer) == (event.type, event.data.customer)]
        return sum(0 <= event.seconds - one.seconds <= window.seconds for one in kin) + more

    return [found for event in events for found in find(event, partial(seen, event))]


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_normal_traffic_raises_no_finding_and_leaves_room_for_a_try_by_hand(seed: int) -> None:
    events = await events_of(seed)
    for window in WINDOWS:  # else there would be nothing to judge
        assert sum(event.type == window.event_type for event in events) > HOURS
    assert findings(events, more=1) == []


async def test_without_restraint_it_would_raise_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "EVERY", {"order": 0.0, "cancel": 0.0})
    events = (await events_of(1))[:500]
    assert {finding.rule for finding in findings(events)} == {window.rule for window in WINDOWS}
