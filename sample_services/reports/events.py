"""What reports needs to know of an event (see kit/events.py): what was sold, at which price."""

from __future__ import annotations

from typing import Final

from sample_services.kit.events import CANCELLED, CREATED, Count, Event, Read, Text, parse_as
from sample_services.reports.sales import Line, Sale

KNOWN: Final = frozenset({CREATED, CANCELLED})


class Item(Read):
    """Pieces of one product, at the price of that day."""

    product_id: Count
    name: Text
    quantity: Count
    unit_price: Count


class OrderFacts(Read):
    """What the event says about its order; `total` in minor units of `currency`."""

    order_id: Count
    customer: Text
    total: Count
    currency: Text
    created: Text
    items: list[Item]


class OrderEvent(Event):
    """One event about an order, of a known type."""

    data: OrderFacts

    def sale(self) -> Sale:
        """The order as this event leaves it."""
        data = self.data
        lines = tuple(Line(item.product_id, item.name, item.quantity, item.unit_price) for item in data.items)
        cancelled = self.type == CANCELLED
        return Sale(data.order_id, data.customer, data.created[:10], data.total, data.currency, cancelled, lines)


def parse(raw: bytes) -> OrderEvent | None:
    """The event, or None when it is of a type that does not concern us.

    Raises:
        MalformedEventError: it says what is wrong, without repeating the content.
    """
    return parse_as(OrderEvent, KNOWN, raw)
