"""However often and in whatever order an order is told, it counts once, and not at all when it is cancelled."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sample_services.kit.events import MalformedEventError
from sample_services.orders import seed
from sample_services.orders.domain import Status
from sample_services.orders.events import Stamp, envelope
from sample_services.reports import sales
from sample_services.reports.events import parse
from sample_services.reports.queries import FAULTY, VERSIONS, Reports, Span
from sample_services.reports.sales import Line, Sale


def database() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    connection.executescript(files("sample_services.reports").joinpath("schema.sql").read_text("utf-8"))
    return connection


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    connection = database()
    yield connection
    connection.close()


def sale(order_id: int, cancelled: bool = False, **changes: Any) -> Sale:
    facts: dict[str, Any] = {"customer": f"c{order_id % 3}", "day": f"2026-01-0{order_id % 3 + 1}", "currency": "EUR"}
    lines = (Line(1, "Gate", 2, 100 + order_id), Line(2, "Hinge", 1, 50))
    total = sum(line.quantity * line.unit_price for line in lines)
    return Sale(**{**facts, "order_id": order_id, "total": total, "cancelled": cancelled, "lines": lines, **changes})


def totals(connection: sqlite3.Connection, version: str = "v1", **span: str) -> dict[str, int]:
    return Reports(version).totals(connection, Span(**span))


ORDERS = range(1, 6)
TELLING = st.one_of(
    st.tuples(st.just("event"), st.sampled_from(ORDERS), st.booleans()),
    st.tuples(st.just("rebuild"), st.sets(st.sampled_from(ORDERS)), st.just(False)),
)


@given(st.lists(TELLING, max_size=15), st.sets(st.sampled_from(ORDERS)))
def test_the_same_truth_in_any_order(tellings: list[tuple[str, Any, bool]], cancelled: set[int]) -> None:
    """`cancelled` are those cancelled in the end; each telling says what was true at its time, or later."""
    connection = database()
    for number, (kind, what, late) in enumerate(tellings):
        if kind == "event":
            for repeated in range(2):
                told = sale(what, cancelled=late and what in cancelled)
                fresh = sales.note_event(connection, f"{what}-{told.cancelled}", told, float(number))
                assert not (fresh and repeated)
        else:
            sales.keep(connection, [sale(one) for one in what])
    sales.rebuild(connection, [sale(one, one in cancelled) for one in ORDERS], "2026-02-01T00:00:00Z")
    good = [sale(one) for one in ORDERS if one not in cancelled]
    found = totals(connection)
    assert (found["orders"], found["revenue"]) == (len(good), sum(one.total for one in good))
    connection.close()


def test_a_rebuild_forgets_what_orders_does_not_know_and_keeps_what_is_newer(connection: sqlite3.Connection) -> None:
    sales.keep(connection, [sale(1), sale(2, total=999_999), sale(7, cancelled=True), sale(9)])
    assert sales.rebuilt(connection) is None
    assert sales.rebuild(connection, [sale(2), sale(7)], "2026-02-01T00:00:00Z") == 2
    rows = connection.execute("SELECT order_id, total, cancelled FROM sale ORDER BY 1").fetchall()
    assert [tuple(row) for row in rows] == [(2, sale(2).total, 0), (7, sale(7).total, 1), (9, sale(9).total, 0)]
    assert connection.execute("SELECT count(*) FROM sale_item").fetchone()[0] == 6
    assert sales.rebuilt(connection) == "2026-02-01T00:00:00Z"


def test_reports(connection: sqlite3.Connection) -> None:
    sales.keep(connection, [sale(1), sale(4), sale(2), sale(3, cancelled=True), sale(5, currency="USD")])
    reports = Reports("v1")
    day = reports.sales(connection, Span(), "day")
    assert day == [
        {"day": "2026-01-02", "orders": 2, "revenue": sale(1).total + sale(4).total},
        {"day": "2026-01-03", "orders": 1, "revenue": sale(2).total},
    ]
    assert reports.sales(connection, Span("2026-01-03", "2026-01-03"), "day") == day[1:]
    groups = reports.sales(connection, Span("2026-01-02", "2026-01-02"), "customer_group")
    assert groups == [{"customer_group": "returning", "orders": 2, "revenue": sale(1).total + sale(4).total}]
    best, second = reports.products(connection, Span(), 5)
    assert (best["product_id"], best["pieces"], best["revenue"]) == (1, 6, 2 * (101 + 104 + 102))
    assert second["revenue"] == 150
    assert reports.products(connection, Span(), 1) == [best]
    assert totals(connection, from_="2030-01-01") == {"orders": 0, "revenue": 0, "average_order": 0}
    assert totals(connection, currency="USD")["revenue"] == sale(5).total


def test_the_planted_fault_is_one_condition(connection: sqlite3.Connection) -> None:
    sales.keep(connection, [sale(1), sale(2, cancelled=True)])
    found = {version: totals(connection, version)["revenue"] for version in VERSIONS}
    right = sale(1).total
    assert found == {"v1": right, "v2": right + sale(2).total, "v3": right}
    assert {version for version, revenue in found.items() if revenue != right} == FAULTY


def test_what_orders_writes_is_what_reports_reads() -> None:
    """No copy of the event's form in between: the writer's own function, the reader's own model."""
    order = next(iter(seed.seed_orders()))
    stamp = Stamp(seed.FIRST_DAY, "event-1", None)
    event = parse(envelope("order.cancelled", order, stamp).encode())
    assert event is not None
    told = event.sale()
    assert (told.order_id, told.customer, told.day, told.total) == (1001, "alice", "2026-01-05", order.total)
    assert sum(line.quantity * line.unit_price for line in told.lines) == order.total
    assert told.cancelled
    assert order.status is not Status.CANCELLED  # it is the event that says so


def test_strict_about_what_is_used_and_tolerant_of_the_rest() -> None:
    order = next(iter(seed.seed_orders()))
    event = json.loads(envelope("order.created", order, Stamp(seed.FIRST_DAY, "event-1", None)))
    assert parse(json.dumps({**event, "new": 1}).encode()) is not None
    assert parse(json.dumps({**event, "type": "order.painted"}).encode()) is None
    event["data"]["items"][0]["unit_price"] = "12.50"
    with pytest.raises(MalformedEventError, match="unit_price"):
        parse(json.dumps(event).encode())
