"""Trace context on the hot path: W3C Trace Context level 2, and which requests become spans.

The problem: creating a span costs as much as everything else a proxy does to a request, and a client may send any
trace context it likes. The rule: ids are drawn for every request, but the decision to record falls first, and a
span is only written down as one record when the request has ended. From a peer that is not trusted neither the
sampled flag nor the trace id is believed: the trace starts here, and what the client sent is kept as a link
(W3C Trace Context §4.3 "restart"), so nobody can force full tracing or write into somebody else's trace.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

_TRACEPARENT: Final = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_NO_TRACE: Final = b"0" * 32
_NO_SPAN: Final = b"0" * 16


@dataclass(frozen=True, slots=True)
class RemoteContext:
    """A traceparent that was valid."""

    trace_id: str
    span_id: str
    sampled: bool


def parse_traceparent(value: bytes) -> RemoteContext | None:
    """A valid traceparent, or None: then the trace starts anew (W3C Trace Context section 3.2)."""
    match = _TRACEPARENT.fullmatch(value)
    if match is None:
        return None
    version, trace_id, span_id, flags, rest = match.groups()
    if version == b"ff" or (version == b"00" and rest) or trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    return RemoteContext(trace_id.decode(), span_id.decode(), bool(int(flags, 16) & 1))


# Keys and values of tracestate (W3C Trace Context section 3.3.1.3).
_MEMBER: Final = re.compile(
    rb"([a-z0-9][a-z0-9_*/@-]{0,255})=([\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e])"
)
MAX_TRACESTATE: Final = 32
MAX_BAGGAGE_MEMBERS: Final = 64
MAX_BAGGAGE_BYTES: Final = 8_192


def combine_tracestate(values: Sequence[bytes]) -> bytes:
    """The members of all tracestate fields as one value; empty when any of them breaks the rules (section 3.3.1)."""
    members = [one.strip(b" \t") for value in values for one in value.split(b",")]
    members = [one for one in members if one]
    found = [_MEMBER.fullmatch(one) for one in members]
    keys = {match[1] for match in found if match is not None}
    if len(keys) != len(members) or len(members) > MAX_TRACESTATE:
        return b""
    return b",".join(members)


def baggage_fits(values: Sequence[bytes]) -> bool:
    """Whether baggage is within what W3C Baggage section 3.3.2 asks everybody to carry; more is not passed on."""
    whole = b",".join(values)
    return len(whole) <= MAX_BAGGAGE_BYTES and whole.count(b",") < MAX_BAGGAGE_MEMBERS


class Ids:
    """The ids of one request, drawn in one call instead of three."""

    __slots__ = ("request_id", "span_id", "trace_id")

    def __init__(self, random: Random) -> None:
        drawn = f"{random.getrandbits(320):080x}"
        self.trace_id = drawn[:32]
        """32 hexadecimal digits."""
        self.span_id = drawn[32:48]
        """16 hexadecimal digits: the SERVER span."""
        self.request_id = drawn[48:]
        """32 hexadecimal digits."""


@dataclass(slots=True)
class SpanRecord:
    """A finished span, as few words as possible; the exporter makes an OpenTelemetry span of it."""

    name: str
    kind: str
    """`server` or `client`."""
    trace_id: str
    span_id: str
    parent_id: str | None
    start: float
    """Wall-clock seconds."""
    end: float
    attributes: dict[str, str | int | float | bool]
    error: str | None = None
    link: RemoteContext | None = None
    events: list[tuple[str, float, dict[str, str]]] = field(default_factory=list)
