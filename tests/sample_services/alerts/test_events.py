"""Reading events that another service, perhaps a newer one, wrote."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from sample_services.alerts.events import MAX_BYTES, MalformedEventError, parse
from sample_services.orders.domain import Item, Order, Status, rfc3339
from sample_services.orders.events import CREATED, Stamp, envelope


def changed(raw: bytes, **changes: Any) -> bytes:
    return json.dumps({**json.loads(raw), **changes}).encode()


def test_what_orders_writes_is_what_we_read() -> None:
    now = datetime(2026, 2, 1, 12, 0, tzinfo=UTC)
    order = Order(7, "bob", Status.PLACED, 30, "EUR", rfc3339(now), rfc3339(now), (Item(3, "Lock", 3, 10),))
    event = parse(envelope(CREATED, order, Stamp(now, "e", None)).encode())
    assert event is not None
    assert (event.id, event.type, event.seconds, event.traceparent) == ("e", CREATED, now.timestamp(), None)
    assert (event.data.order_id, event.data.customer, event.data.total) == (7, "bob", 30)
    assert [(item.product_id, item.quantity) for item in event.data.items] == [(3, 3)]


def test_new_fields_and_new_types_are_no_errors(event: Any) -> None:
    newer = parse(changed(event(), datacontenttype="application/json", data2=1))
    assert newer is not None
    assert newer.id == "event-1"
    assert parse(changed(event(), type="order.shipped", data={"parcel": 1})) is None


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "event: Invalid JSON"),
        (b"\xff\xfe", "event: Invalid JSON"),
        (b"[]", "event: Input should be an object"),
        (b"{}", "id: Field required; type: Field required"),
        (b"[" * 5000, "event: Invalid JSON: recursion limit exceeded"),
        (b" " * (MAX_BYTES + 1), "the limit is"),
    ],
)
def test_what_is_no_event(raw: bytes, told: str) -> None:
    with pytest.raises(MalformedEventError, match=told):
        parse(raw)


@pytest.mark.parametrize(
    "changes",
    [
        {"time": "2026-02-01T12:00:00"},
        {"time": "yesterday"},
        {"id": ""},
        {"id": 7},
        {"data": {"order_id": 1}},
        {"data": None},
    ],
)
def test_wrong_fields(event: Any, changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedEventError):
        parse(changed(event(), **changes))


def test_the_message_names_fields_but_does_not_repeat_content(event: Any) -> None:
    with pytest.raises(MalformedEventError) as refused:
        parse(changed(event(), traceparent=["secret"], time="secret"))
    assert "traceparent: " in str(refused.value)
    assert "secret" not in str(refused.value)
