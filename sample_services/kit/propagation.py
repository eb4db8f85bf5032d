"""W3C Trace Context and Baggage on the wire (https://www.w3.org/TR/trace-context-2/).

The problem: a trace only holds together if every service reads and writes the headers the same way, and a
malformed header must not become part of one. The rule: what is duplicated or malformed starts a new trace
(section 3.2.2.3); a bad `tracestate` or `baggage` is dropped and the trace goes on.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence

from opentelemetry import trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.trace.span import NonRecordingSpan, SpanContext, TraceFlags, TraceState

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_MAX_TRACESTATE = 512
_MAX_BAGGAGE = 8_192
_BAGGAGE = W3CBaggagePropagator()


def extract(traceparent: Sequence[str], tracestate: Sequence[str] = (), baggage: Sequence[str] = ()) -> Context:
    """The remote context that these header values (each header line one item) describe; empty if none does."""
    context = Context()
    parent = _parse_traceparent(traceparent)
    if parent is not None:
        trace_id, span_id, flags = parent
        span_context = SpanContext(
            trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags), trace_state=_tracestate(tracestate)
        )
        context = trace.set_span_in_context(NonRecordingSpan(span_context), context)
    joined = ",".join(baggage)
    return _BAGGAGE.extract({"baggage": joined}, context) if 0 < len(joined) <= _MAX_BAGGAGE else context


def inject(headers: MutableMapping[str, str]) -> None:
    """Add the current trace and baggage to the headers of a request to a peer."""
    span_context = trace.get_current_span().get_span_context()
    if span_context.is_valid:
        headers["traceparent"] = format_traceparent(span_context)
        if span_context.trace_state:
            headers["tracestate"] = span_context.trace_state.to_header()
    _BAGGAGE.inject(headers)


def format_traceparent(context: SpanContext) -> str:
    """Version 00 of the header."""
    trace_id, span_id = trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id)
    return f"00-{trace_id}-{span_id}-{context.trace_flags & 0x03:02x}"


def current_traceparent() -> str:
    """The current trace for a message that travels by other means than HTTP; empty outside of any trace."""
    context = trace.get_current_span().get_span_context()
    return format_traceparent(context) if context.is_valid else ""


def current_trace_id() -> str:
    """32 hexadecimal digits; empty outside of any trace."""
    context = trace.get_current_span().get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else ""


def _parse_traceparent(values: Sequence[str]) -> tuple[int, int, int] | None:
    match = _TRACEPARENT.fullmatch(values[0].strip(" \t")) if len(values) == 1 else None
    if match is None:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    if version == "ff" or (version == "00" and rest):  # a later version may add fields; 00 has none (section 4.3)
        return None
    if not int(trace_id, 16) or not int(span_id, 16):
        return None
    return int(trace_id, 16), int(span_id, 16), int(flags, 16) & 0x03


def _tracestate(values: Sequence[str]) -> TraceState:
    joined = ",".join(values)
    return TraceState.from_header([joined]) if 0 < len(joined) <= _MAX_TRACESTATE else TraceState()
