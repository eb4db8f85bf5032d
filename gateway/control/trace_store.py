"""The latest traces, in memory.

The problem: whoever may send spans decides how many there are and how large. The rule: three limits, on
traces, on spans per trace and on bytes in total; when one is reached the trace that was quiet for longest
goes first. Most spans are never looked at: what only a reader wants of one is read when there is a reader.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple


class Details(NamedTuple):
    """What a span holds besides its place in the trace."""

    attributes: dict[str, Any]
    events: list[dict[str, Any]]
    links: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Span:
    """One timed piece of work, as OpenTelemetry defines it; times in nanoseconds since 1970."""

    trace_id: str
    span_id: str
    parent_id: str | None
    service: str
    name: str
    kind: str
    start_ns: int
    end_ns: int
    status: str
    status_message: str
    linked: tuple[str, ...]
    """The traces that its links name."""
    details: Callable[[], Details]
    size: int
    """Of all of it, in bytes, as an estimate."""


@dataclass
class Trace:
    """The spans that share a trace id."""

    spans: dict[str, Span] = field(default_factory=dict)
    size: int = 0
    dropped: int = 0


class TraceStore:
    """Keeps the latest traces within its limits."""

    def __init__(self, max_traces: int = 2_000, max_spans: int = 500, max_bytes: int = 32 * 1024 * 1024) -> None:
        self.max_traces, self.max_spans, self.max_bytes = max_traces, max_spans, max_bytes
        self._traces: OrderedDict[str, Trace] = OrderedDict()
        self.size = 0

    def __len__(self) -> int:
        return len(self._traces)

    def add(self, span: Span) -> bool:
        """Keep a span; False when its trace is full. Sent twice it counts once, since exporters repeat."""
        trace = self._traces.setdefault(span.trace_id, Trace())
        self._traces.move_to_end(span.trace_id)
        if span.span_id in trace.spans:
            return True
        if len(trace.spans) >= self.max_spans:
            trace.dropped += 1
            return False
        trace.spans[span.span_id] = span
        trace.size += span.size
        self.size += span.size
        self._evict()
        return True

    def _evict(self) -> None:
        while len(self._traces) > self.max_traces or (self.size > self.max_bytes and self._traces):
            _, old = self._traces.popitem(last=False)
            self.size -= old.size

    def latest(self, limit: int, service: str | None = None) -> list[dict[str, Any]]:
        """Summaries, most recent first."""
        found: list[dict[str, Any]] = []
        for trace_id, trace in reversed(self._traces.items()):
            if len(found) >= limit:
                break
            if service is None or any(span.service == service for span in trace.spans.values()):
                found.append(summary(trace_id, trace))
        return found

    def get(self, trace_id: str) -> dict[str, Any] | None:
        """One trace with its spans in order of start; None when it is not (or no longer) here."""
        trace = self._traces.get(trace_id)
        if trace is None:
            return None
        start = min(span.start_ns for span in trace.spans.values())
        ordered = sorted(trace.spans.values(), key=lambda span: (span.start_ns, -span.end_ns))
        return {
            **summary(trace_id, trace),
            "dropped_spans": trace.dropped,
            "linked_from": self._linked_from(trace_id),
            "spans": [document(span, start) for span in ordered],
        }

    def _linked_from(self, trace_id: str) -> list[str]:
        return [
            other
            for other, trace in reversed(self._traces.items())
            if other != trace_id and any(trace_id in span.linked for span in trace.spans.values())
        ][:20]


def summary(trace_id: str, trace: Trace) -> dict[str, Any]:
    """What a list shows of a trace: its root (or earliest) span's name, times, services, errors."""
    spans = trace.spans.values()
    start = min(span.start_ns for span in spans)
    orphans = [span for span in spans if span.parent_id not in trace.spans]
    root = min(orphans or spans, key=lambda span: span.start_ns)
    return {
        "trace_id": trace_id,
        "name": root.name,
        "service": root.service,
        "start": iso(start),
        "duration_ms": _millis(max(span.end_ns for span in spans) - start),
        "span_count": len(spans),
        "services": sorted({span.service for span in spans}),
        "errors": sum(span.status == "error" for span in spans),
        "status_code": root.details().attributes.get("http.response.status_code"),
    }


def document(span: Span, trace_start: int) -> dict[str, Any]:
    """A span as JSON: `start_ms` counts from the start of its trace."""
    return {
        "span_id": span.span_id,
        "parent_id": span.parent_id,
        "service": span.service,
        "name": span.name,
        "kind": span.kind,
        "start": iso(span.start_ns),
        "start_ms": _millis(span.start_ns - trace_start),
        "duration_ms": _millis(span.end_ns - span.start_ns),
        "status": {"code": span.status, "message": span.status_message},
        **span.details()._asdict(),
    }


def iso(nanoseconds: int) -> str:
    """RFC 3339 in UTC, to the microsecond."""
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _millis(nanoseconds: int) -> float:
    return round(nanoseconds / 1e6, 3)
