"""From event to finding; how deliveries succeed and fail is in kit/consumer.py."""

from __future__ import annotations

from typing import Final

from opentelemetry.trace import SpanKind
from prometheus_client import CollectorRegistry, Counter

from sample_services.alerts import store
from sample_services.alerts.events import OrderEvent, parse
from sample_services.alerts.rules import Finding
from sample_services.kit.consumer import Consumer, ConsumerMetrics, attributes
from sample_services.kit.inbox import STREAM, Delivery
from sample_services.kit.propagation import current_trace_id

GROUP: Final = "alerts"


class WorkerMetrics(ConsumerMetrics):
    """What the operator sees of the consumer."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__("alerts", registry)
        self.findings = Counter("alerts_findings", "Suspicious orders.", ("rule",), registry=registry)


class Worker(Consumer):
    """Looks for what is suspicious."""

    metrics: WorkerMetrics

    async def work_through(self, delivery: Delivery, raw: bytes) -> str:
        """Notes event and findings in one transaction."""
        event = parse(raw)
        if event is None:
            return "not_ours"
        with self.telemetry.span(
            f"process {STREAM}",
            SpanKind.CONSUMER,
            traceparent=event.traceparent or "",
            attributes=attributes(event.id, delivery, GROUP),
        ):
            findings = await self.commit(store.work_through, event, self.clock(), current_trace_id())
            self.metrics.delay.observe(max(0.0, self.clock() - event.seconds))
            for finding in findings or ():
                self._tell(event, finding)
        return "repeated" if findings is None else "processed"

    def _tell(self, event: OrderEvent, finding: Finding) -> None:
        self.metrics.findings.labels(finding.rule).inc()
        facts = {"customer": event.data.customer, "order_id": event.data.order_id, "event_id": event.id}
        self.log.warning("suspicious order", extra={**vars(finding), **facts})
