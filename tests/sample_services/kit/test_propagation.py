"""Trace context headers: what is taken, what starts a new trace."""

from __future__ import annotations

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.trace.span import NonRecordingSpan, SpanContext, TraceFlags

from sample_services.kit.propagation import current_traceparent, extract, inject

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GOOD = f"00-{TRACE}-{SPAN}-01"


def parent_of(*traceparent: str, tracestate: tuple[str, ...] = ()) -> SpanContext:
    return trace.get_current_span(extract(traceparent, tracestate)).get_span_context()


@pytest.mark.parametrize(
    ("traceparent", "flags"),
    [
        (GOOD, 1),
        (GOOD[:-2] + "00", 0),
        (GOOD[:-2] + "03", 3),
        (GOOD[:-2] + "ff", 3),  # unknown flags are not passed on
        ("cc" + GOOD[2:], 1),  # a later version
        ("cc" + GOOD[2:] + "-what-it-may-add", 1),
    ],
)
def test_takes_what_is_well_formed(traceparent: str, flags: int) -> None:
    parent = parent_of(traceparent)
    assert trace.format_trace_id(parent.trace_id) == TRACE
    assert trace.format_span_id(parent.span_id) == SPAN
    assert parent.trace_flags == flags
    assert parent.is_remote


@pytest.mark.parametrize(
    "values",
    [
        (),
        ("",),
        (GOOD, GOOD),
        (GOOD + "-00",),
        (GOOD + "\n",),
        (GOOD.upper(),),
        ("ff" + GOOD[2:],),
        (f"00-{'0' * 32}-{SPAN}-01",),
        (f"00-{TRACE}-{'0' * 16}-01",),
        (f"00-{TRACE}-{SPAN}",),
        ("cc" + GOOD[2:] + ".x",),
        (f"00-{TRACE[:-1]}\u0661-{SPAN}-01",),
    ],
)
def test_everything_else_starts_a_new_trace(values: tuple[str, ...]) -> None:
    assert not parent_of(*values).is_valid


def test_tracestate_lines_are_joined_and_bad_ones_dropped() -> None:
    assert dict(parent_of(GOOD, tracestate=("a=1", "b=2")).trace_state) == {"a": "1", "b": "2"}
    assert not parent_of(GOOD, tracestate=("a=" + "x" * 600,)).trace_state
    assert not parent_of(tracestate=("a=1",)).trace_state


def test_baggage_travels_and_is_bounded() -> None:
    assert baggage.get_all(extract([], baggage=["shop=blue", "user=1"])) == {"shop": "blue", "user": "1"}
    assert baggage.get_all(extract([], baggage=["k=" + "x" * 9_000])) == {}


def test_what_goes_out_is_what_came_in() -> None:
    token = context.attach(extract([GOOD], ["a=1"], ["shop=blue"]))
    try:
        headers: dict[str, str] = {}
        inject(headers)
    finally:
        context.detach(token)
    assert headers == {"traceparent": GOOD, "tracestate": "a=1", "baggage": "shop=blue"}


def test_outside_of_a_trace_nothing_goes_out() -> None:
    headers: dict[str, str] = {}
    inject(headers)
    assert headers == {}
    assert current_traceparent() == ""


def test_the_traceparent_of_a_message() -> None:
    span = NonRecordingSpan(SpanContext(int(TRACE, 16), int(SPAN, 16), False, TraceFlags(1)))
    with trace.use_span(span):
        assert current_traceparent() == GOOD
