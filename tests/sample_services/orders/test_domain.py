"""The rules of orders."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from sample_services.orders.domain import (
    Caller,
    Item,
    MixedCurrenciesError,
    NotOwnerError,
    Order,
    Product,
    Status,
    WrongStateError,
    check_changer,
    check_reader,
    price_up,
    rfc3339,
)

NOW = datetime(2026, 2, 1, 12, 0, tzinfo=UTC)
ORDER = Order(1001, "alice", Status.PLACED, 200, "EUR", rfc3339(NOW), rfc3339(NOW), (Item(1, "Gate", 2, 100),))


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (Status.PLACED, Status.SHIPPED),
        (Status.PLACED, Status.CANCELLED),
        (Status.SHIPPED, Status.DELIVERED),
    ],
)
def test_an_order_moves_along_the_arrows(start: Status, end: Status) -> None:
    moved = replace(ORDER, status=start).become(end, NOW + timedelta(hours=1))
    assert moved.status is end
    assert moved.updated == "2026-02-01T13:00:00.000Z"


@pytest.mark.parametrize("start", [Status.SHIPPED, Status.DELIVERED, Status.CANCELLED])
def test_only_a_placed_order_can_be_cancelled(start: Status) -> None:
    with pytest.raises(WrongStateError) as refused:
        replace(ORDER, status=start).become(Status.CANCELLED, NOW)
    assert refused.value.facts == {"order_id": 1001, "order_status": start}


@pytest.mark.parametrize(
    ("caller", "reads", "changes"),
    [
        (Caller("alice", frozenset({"customer"})), True, True),
        (Caller("bob", frozenset({"customer"})), False, False),
        (Caller("carol", frozenset({"support"})), True, False),
        (Caller("admin", frozenset({"admin"})), True, True),
        (Caller("partner"), False, False),
    ],
)
def test_who_may_read_and_who_may_change(caller: Caller, reads: bool, changes: bool) -> None:
    for check, allowed in ((check_reader, reads), (check_changer, changes)):
        if allowed:
            check("alice", caller)
        else:
            with pytest.raises(NotOwnerError):
                check("alice", caller)


def test_prices_are_added_up_in_minor_units() -> None:
    gate = Product(1, "Gate", "", 1999, "EUR", 5)
    hinge = Product(2, "Hinge", "", 10, "EUR", 5)
    items, total, currency = price_up([(gate, 3), (hinge, 1)])
    assert items == (Item(1, "Gate", 3, 1999), Item(2, "Hinge", 1, 10))
    assert (total, currency) == (6007, "EUR")


def test_one_order_has_one_currency() -> None:
    with pytest.raises(MixedCurrenciesError):
        price_up([(Product(1, "a", "", 1, "EUR", 1), 1), (Product(2, "b", "", 1, "CHF", 1), 1)])


def test_times_are_utc_and_sort_as_text() -> None:
    early = datetime(2026, 1, 1, 1, 0, tzinfo=timezone(timedelta(hours=2)))
    assert rfc3339(early) == "2025-12-31T23:00:00.000Z"
    assert rfc3339(early) < rfc3339(early + timedelta(milliseconds=1))
