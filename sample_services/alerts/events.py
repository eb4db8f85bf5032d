"""What alerts needs to know of an event: who ordered, for how much, how many pieces (see kit/events.py)."""

from __future__ import annotations

from typing import Final

from sample_services.kit.events import (
    CANCELLED,
    CREATED,
    MAX_BYTES,
    Count,
    Event,
    MalformedEventError,
    Read,
    Text,
    parse_as,
)

__all__ = [
    "CANCELLED",
    "CREATED",
    "KNOWN",
    "MAX_BYTES",
    "Item",
    "MalformedEventError",
    "OrderEvent",
    "OrderFacts",
    "parse",
]

KNOWN: Final = frozenset({CREATED, CANCELLED})


class Item(Read):
    """Pieces of one product."""

    product_id: Count
    quantity: Count


class OrderFacts(Read):
    """What the event says about its order; `total` in minor units of `currency`."""

    order_id: Count
    customer: Text
    total: Count
    currency: Text
    items: list[Item]


class OrderEvent(Event):
    """One event about an order, of a known type."""

    data: OrderFacts


def parse(raw: bytes) -> OrderEvent | None:
    """The event, or None when it is of a type that does not concern us.

    Raises:
        MalformedEventError: it says what is wrong, without repeating the content.
    """
    return parse_as(OrderEvent, KNOWN, raw)
