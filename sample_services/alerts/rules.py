"""Which orders are suspicious? Four rules; each says what it saw and from where on that is too much.

Two look at one order: its value, its quantities. Two count within a sliding window of *event time*, not of
arrival time: after an outage a day's events arrive within a second, and must give the same findings as on a
quiet day. An event counts towards one finding of a rule only; otherwise the sixth quick order would repeat
what was said at the fifth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from sample_services.alerts.events import CANCELLED, CREATED, OrderEvent

HIGH_VALUE: Final = 100_000
"""Minor units: 1 000.00 of any of the shop's currencies."""
UNUSUAL_QUANTITY: Final = 20
"""Pieces of one product."""


@dataclass(frozen=True)
class Finding:
    """A suspicious order: `observed` reached `allowed`."""

    rule: str
    observed: int
    allowed: int


@dataclass(frozen=True)
class Window:
    """So many events of one type, of one customer, within so many seconds, are suspicious."""

    rule: str
    event_type: str
    allowed: int
    seconds: float


WINDOWS: Final = (
    Window("many_orders", CREATED, 5, 60),
    Window("many_cancellations", CANCELLED, 3, 600),
)

Counter = Callable[[Window], int]
"""How many events stand in this window of the customer, the present one included."""


def find(event: OrderEvent, count: Counter) -> Iterator[Finding]:
    """All that is suspicious about the event."""
    if event.type == CREATED:
        yield from _about_one_order(event)
    for window in WINDOWS:
        if window.event_type == event.type and (seen := count(window)) >= window.allowed:
            yield Finding(window.rule, seen, window.allowed)


def _about_one_order(event: OrderEvent) -> Iterator[Finding]:
    if event.data.total >= HIGH_VALUE:
        yield Finding("high_value", event.data.total, HIGH_VALUE)
    quantity = max((item.quantity for item in event.data.items), default=0)
    if quantity >= UNUSUAL_QUANTITY:
        yield Finding("unusual_quantity", quantity, UNUSUAL_QUANTITY)
