"""Findings, each once: rules and database together."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from sample_services.alerts.events import parse
from sample_services.alerts.rules import Finding
from sample_services.alerts.store import EVENT_LIFE, FINDING_LIFE, work_through

NOON = 1769947200.0
"""2026-02-01T12:00:00Z, as in the events."""


def find(connection: sqlite3.Connection, raw: bytes, now: float = NOON) -> list[Finding] | None:
    event = parse(raw)
    assert event is not None
    return work_through(connection, event, now)


def rows(connection: sqlite3.Connection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"total": 99_999}, []),
        ({"total": 100_000}, [Finding("high_value", 100_000, 100_000)]),
        ({"quantity": 19}, []),
        ({"quantity": 20}, [Finding("unusual_quantity", 20, 20)]),
        ({"quantity": 20, "total": 100_000, "type": "order.cancelled"}, []),
    ],
)
def test_rules_about_one_order(
    connection: sqlite3.Connection, event: Any, changes: dict[str, Any], expected: list[Finding]
) -> None:
    assert find(connection, event(**changes)) == expected
    assert rows(connection, "finding") == len(expected)


def test_five_orders_within_a_minute(connection: sqlite3.Connection, event: Any) -> None:
    found = [find(connection, event(number, second=number * 14)) for number in range(1, 6)]
    assert found == [[], [], [], [], [Finding("many_orders", 5, 5)]]


def test_five_orders_in_just_over_a_minute(connection: sqlite3.Connection, event: Any) -> None:
    assert not any(find(connection, event(number, second=number * 15)) for number in range(1, 6))


def test_the_orders_of_others_do_not_count(connection: sqlite3.Connection, event: Any) -> None:
    names = ["alice", "bob"] * 4
    assert not any(find(connection, event(n, customer=name)) for n, name in enumerate(names))


def test_an_order_counts_towards_one_finding_only(connection: sqlite3.Connection, event: Any) -> None:
    found = [find(connection, event(number, second=number)) for number in range(1, 13)]
    assert [number for number, one in enumerate(found, 1) if one] == [5, 10]


def test_three_cancellations_within_ten_minutes(connection: sqlite3.Connection, event: Any) -> None:
    cancelled = [event(n, type="order.cancelled", second=n * 240) for n in range(1, 4)]
    assert [find(connection, raw) for raw in cancelled][2] == [Finding("many_cancellations", 3, 3)]


def test_event_time_counts_not_arrival(connection: sqlite3.Connection, event: Any) -> None:
    """After an outage a quiet day arrives within one second."""
    assert not any(find(connection, event(n, second=n * 60), now=NOON + 3600) for n in range(1, 20))


def test_the_second_time_is_no_time(connection: sqlite3.Connection, event: Any) -> None:
    raw = event(total=100_000)
    assert find(connection, raw)
    assert find(connection, raw) is None
    assert (rows(connection, "event"), rows(connection, "finding")) == (1, 1)


def test_the_tables_stay_bounded(connection: sqlite3.Connection, event: Any) -> None:
    find(connection, event(1, total=100_000), now=NOON)
    find(connection, event(2), now=NOON + EVENT_LIFE + 1)
    assert (rows(connection, "event"), rows(connection, "finding")) == (1, 1)
    find(connection, event(3), now=NOON + FINDING_LIFE + 1)
    assert (rows(connection, "event"), rows(connection, "finding")) == (1, 0)
