"""Finished spans to an OTLP/HTTP collector (https://opentelemetry.io/docs/specs/otlp/#otlphttp).

The problem: export must never hold up requests, nor fill the memory when the collector is away. The rule: a
bounded queue; once a second a batch is encoded by OpenTelemetry's own encoder, a few spans at a time, and sent; what
finds no room or is refused is dropped and counted. The stock exporter needs a thread and a second HTTP client in each
worker; this loop uses what the worker has.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from gateway.observability.tracing import SpanRecord

if TYPE_CHECKING:
    import aiohttp
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan

MAX_QUEUE: Final = 8_192
BATCH: Final = 512
PIECE: Final = 25
"""Spans that are encoded before requests get their turn again: about 1 ms."""
PERIOD: Final = 1.0
TIMEOUT: Final = 5.0

log = logging.getLogger("gateway.export")


class SpanExporter:
    """Queues span records and sends them to one endpoint."""

    def __init__(
        self,
        endpoint: str,
        headers: Mapping[str, str],
        service: str,
        instance: str,
        dropped: Callable[[str, int], None],
    ) -> None:
        """`dropped` is told a reason and a number."""
        self._url = endpoint.rstrip("/") + "/v1/traces"
        self._headers = {"content-type": "application/x-protobuf", **headers}
        self._service, self._instance = service, instance
        self._dropped = dropped
        self._queue: deque[SpanRecord] = deque()
        self._session: aiohttp.ClientSession | None = None
        self._failing = False

    def add(self, span: SpanRecord) -> None:
        """Queue one span; when the queue is full, the oldest goes."""
        if len(self._queue) >= MAX_QUEUE:
            self._queue.popleft()
            self._dropped("queue_full", 1)
        self._queue.append(span)

    async def run(self) -> None:
        """Send batches until cancelled; then once more what is left."""
        try:
            await asyncio.to_thread(_load_libraries)
            while True:
                await asyncio.sleep(PERIOD)
                await self.flush()
        finally:
            await self.flush()
            if self._session is not None:
                await self._session.close()

    async def flush(self) -> None:
        """Send all that is queued, batch by batch; stop at the first failure."""
        while self._queue:
            batch = [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]
            if not await self._send(batch):
                self._dropped("export_failed", len(batch))
                return

    async def _send(self, batch: list[SpanRecord]) -> bool:
        import aiohttp

        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=TIMEOUT)
            self._session = aiohttp.ClientSession(headers=self._headers, timeout=timeout)
        try:
            body = await self._encoded(batch)
            async with self._session.post(self._url, data=body, allow_redirects=False) as answer:
                good = answer.status == 200
                problem = f"status {answer.status}"
        except (aiohttp.ClientError, TimeoutError) as error:
            good, problem = False, type(error).__name__
        if not good and not self._failing:
            log.warning("spans cannot be exported to %s: %s", self._url, problem)
        self._failing = not good
        return good

    async def _encoded(self, batch: list[SpanRecord]) -> bytes:
        pieces = []
        for start in range(0, len(batch), PIECE):
            pieces.append(encode(batch[start : start + PIECE], self._service, self._instance))
            await asyncio.sleep(0)
        # Protobuf messages of one type, one after the other, are one message with the spans of all of them.
        return b"".join(pieces)


def _load_libraries() -> None:
    """Some 0.2 s of imports, in a thread as long as nothing is to be sent: else the first batch would stop us."""
    import aiohttp
    import opentelemetry.exporter.otlp.proto.common.trace_encoder
    import opentelemetry.sdk.trace

    _ = aiohttp, opentelemetry


def encode(batch: list[SpanRecord], service: str, instance: str) -> bytes:
    """An OTLP ExportTraceServiceRequest in protobuf."""
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
    from opentelemetry.sdk.resources import Resource

    resource = Resource({"service.name": service, "service.instance.id": instance})
    return bytes(encode_spans([_span(record, resource) for record in batch]).SerializeToString())


def _span(record: SpanRecord, resource: Resource) -> ReadableSpan:
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

    def context(trace_id: str, span_id: str, remote: bool = False) -> SpanContext:
        return SpanContext(int(trace_id, 16), int(span_id, 16), remote, TraceFlags(TraceFlags.SAMPLED))

    attributes = dict(record.attributes)
    if record.error:
        attributes["error.type"] = record.error
    return ReadableSpan(
        name=record.name,
        context=context(record.trace_id, record.span_id),
        parent=context(record.trace_id, record.parent_id) if record.parent_id else None,
        resource=resource,
        attributes=attributes,
        events=[Event(name, dict(values), int(when * 1e9)) for name, when, values in record.events],
        links=[Link(context(record.link.trace_id, record.link.span_id, True))] if record.link else [],
        kind=SpanKind.SERVER if record.kind == "server" else SpanKind.CLIENT,
        status=Status(StatusCode.ERROR if record.error else StatusCode.UNSET),
        start_time=int(record.start * 1e9),
        end_time=int(record.end * 1e9),
    )
