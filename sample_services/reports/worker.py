"""From event to sale; how deliveries succeed and fail is in kit/consumer.py."""

from __future__ import annotations

from typing import Final

from opentelemetry.trace import SpanKind

from sample_services.kit.consumer import Consumer, attributes
from sample_services.kit.inbox import STREAM, Delivery
from sample_services.reports import sales
from sample_services.reports.events import parse

GROUP: Final = "reports"


class Worker(Consumer):
    """Keeps the sales as the events tell them."""

    async def work_through(self, delivery: Delivery, raw: bytes) -> str:
        """Notes event and sale in one transaction."""
        event = parse(raw)
        if event is None:
            return "not_ours"
        with self.telemetry.span(
            f"process {STREAM}",
            SpanKind.CONSUMER,
            traceparent=event.traceparent or "",
            attributes=attributes(event.id, delivery, GROUP),
        ):
            fresh = await self.commit(sales.note_event, event.id, event.sale(), self.clock())
            self.metrics.delay.observe(max(0.0, self.clock() - event.seconds))
        return "processed" if fresh else "repeated"
