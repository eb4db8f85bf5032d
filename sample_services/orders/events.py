"""What other services are told about orders: an envelope with CloudEvents' names around a few facts.

Events carry what a consumer needs to decide, or to count, without asking back, and nothing more: no address, no
payment data. `traceparent` is the trace of the request that caused the event (CloudEvents, Distributed Tracing
extension).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final

from sample_services.orders.domain import Order, rfc3339

STREAM: Final = "events:orders"
CREATED: Final = "order.created"
CANCELLED: Final = "order.cancelled"


@dataclass(frozen=True)
class Stamp:
    """What a change takes from the outside world: its time, an id for its event, its trace."""

    now: datetime
    event_id: str
    traceparent: str | None


def envelope(event_type: str, order: Order, stamp: Stamp) -> str:
    """The event as JSON text."""
    return json.dumps(
        {
            "specversion": "1.0",
            "id": stamp.event_id,
            "source": "orders",
            "type": event_type,
            "time": rfc3339(stamp.now),
            "traceparent": stamp.traceparent,
            "data": {
                "order_id": order.id,
                "customer": order.customer,
                "total": order.total,
                "currency": order.currency,
                "created": order.created,
                "items": [asdict(item) for item in order.items],
            },
        },
        separators=(",", ":"),
    )
