"""Spans: made by the OpenTelemetry SDK, sent to a collector in batches.

The problem: tracing must not slow, block or fill the log of the service it watches. The rule: a bounded queue
and one thread send spans in the background; what cannot be sent is counted and dropped. Sampling follows the
caller's decision (parent-based), and work that polls makes no traces at all.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode
from opentelemetry.trace.span import TraceState
from opentelemetry.util.types import Attributes, AttributeValue

from sample_services.kit.metrics import Metrics
from sample_services.kit.propagation import extract
from sample_services.kit.settings import OtlpSettings, Settings

EXPORT_EVERY_MS = 500
QUEUE_SPANS = 4_096
BATCH_SPANS = 256
SEND_TIMEOUT_S = 1.0
_QUIET = otel_context.create_key("quiet")


class Roots(Sampler):
    """Decides about traces that begin here: all of them, but none in a `quiet` block."""

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Called by the SDK before any span object is made."""
        quiet = otel_context.get_value(_QUIET, parent_context)
        return SamplingResult(Decision.DROP if quiet else Decision.RECORD_AND_SAMPLE)

    def get_description(self) -> str:
        """As OpenTelemetry asks of every sampler."""
        return "Roots"


class Telemetry:
    """Makes the spans of one process. Without an OTLP endpoint they are made (logs need ids) but go nowhere."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        resource = Resource(
            {
                "service.name": settings.service,
                "service.instance.id": settings.instance,
                "service.namespace": "shop",
                **({"service.version": settings.version} if settings.version else {}),
            }
        )
        self.metrics = metrics
        self._provider = TracerProvider(ParentBased(Roots()), resource, shutdown_on_exit=False)
        self._exporter: OtlpExporter | None = None
        if settings.otlp is not None:
            self._exporter = OtlpExporter(settings.otlp, metrics)
            self._provider.add_span_processor(_batches(self._exporter))
        self._tracer = self._provider.get_tracer("sample_services.kit")

    @contextmanager
    def span(
        self,
        name: str,
        kind: SpanKind = SpanKind.INTERNAL,
        *,
        traceparent: str | None = None,
        parent: Context | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> Iterator[Span]:
        """A span around a block; an exception marks it failed with `error.type`, and goes on.

        The parent is the current span, or the one that `traceparent` names (a message from a stream), or `parent`.
        """
        if traceparent is not None:
            parent = extract([traceparent])
        span = self._tracer.start_span(name, parent, kind, attributes)
        token = otel_context.attach(trace.set_span_in_context(span, parent))
        try:
            yield span
        except Exception as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(Status(StatusCode.ERROR))
            raise
        finally:
            otel_context.detach(token)
            span.end()

    def close(self) -> None:
        """Send what waits, for at most two send time-outs; blocks, so call it in a thread."""
        if self._exporter is not None:
            self._exporter.closing.set()
        self._provider.shutdown()


@contextmanager
def quiet() -> Iterator[None]:
    """No traces begin in this block: for probes and loops that would else start one at every turn.

    A span with a `traceparent` of its own is still recorded as that trace's sender decided.
    """
    token = otel_context.attach(otel_context.set_value(_QUIET, True, Context()))
    try:
        yield
    finally:
        otel_context.detach(token)


class OtlpExporter(SpanExporter):
    """Sends spans as OTLP/HTTP protobuf (https://opentelemetry.io/docs/specs/otlp/#otlphttp).

    The SDK's own exporter retries and logs; on a single machine a lost batch is better counted than repeated.
    """

    def __init__(self, settings: OtlpSettings, metrics: Metrics) -> None:
        self._address = urlsplit(settings.endpoint)
        self._path = self._address.path.rstrip("/") + "/v1/traces"
        self._headers = {**settings.headers, "Content-Type": "application/x-protobuf"}
        self._spans = metrics.spans
        self._failed_while_closing = False
        self.closing = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send one batch; called by the SDK's thread."""
        if not self._failed_while_closing and self._send(spans):
            self._spans.labels("exported").inc(len(spans))
            return SpanExportResult.SUCCESS
        self._failed_while_closing = self.closing.is_set()  # then the rest is given up at once
        self._spans.labels("failed").inc(len(spans))
        return SpanExportResult.FAILURE

    def _send(self, spans: Sequence[ReadableSpan]) -> bool:
        # Imported by the first batch, off the start-up path: protobuf takes 50 ms.
        from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans

        body = encode_spans(spans).SerializeToString()
        connection = self._connect()
        try:
            connection.request("POST", self._path, body, self._headers)
            return 200 <= connection.getresponse().status < 300
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def _connect(self) -> HTTPConnection:
        kind = HTTPSConnection if self._address.scheme == "https" else HTTPConnection
        return kind(self._address.hostname or "", self._address.port, timeout=SEND_TIMEOUT_S)


def _batches(exporter: SpanExporter) -> BatchSpanProcessor:
    return BatchSpanProcessor(
        exporter,
        max_queue_size=QUEUE_SPANS,
        schedule_delay_millis=EXPORT_EVERY_MS,
        max_export_batch_size=BATCH_SPANS,
    )
