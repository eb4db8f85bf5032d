"""The rules alone, with a counter of the test's own."""

from __future__ import annotations

from typing import Any

from sample_services.alerts.events import parse
from sample_services.alerts.rules import Finding, Window, find


def test_a_window_counts_only_its_own_type_of_event(event: Any) -> None:
    asked: list[str] = []

    def count(window: Window) -> int:
        asked.append(window.rule)
        return 0

    created, cancelled = parse(event()), parse(event(type="order.cancelled"))
    assert created is not None
    assert cancelled is not None
    assert list(find(created, count)) == list(find(cancelled, count)) == []
    assert asked == ["many_orders", "many_cancellations"]


def test_one_order_may_be_suspicious_in_several_ways(event: Any) -> None:
    parsed = parse(event(total=500_000, quantity=30))
    assert parsed is not None
    assert list(find(parsed, lambda _: 7)) == [
        Finding("high_value", 500_000, 100_000),
        Finding("unusual_quantity", 30, 20),
        Finding("many_orders", 7, 5),
    ]
