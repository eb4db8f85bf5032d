"""What a request brings along: ids, trace context, baggage, hops left; from peers that are trusted and from others.

The problem: an id that a stranger chose must not address anything of ours, and one that our own proxy gave must not
get lost. The rule: where a listener says that its peers are our proxies (`trustedHops`), their request id, trace,
sampling decision and time-out go on; everybody else starts anew here, and what they sent remains as a link of the span.
Baggage goes on from everybody, within the bounds of W3C Baggage: it is data, not a decision.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from gateway.http.hop import EXPECTED_TIMEOUT
from gateway.http.messages import Reply, Request
from gateway.observability.tracing import RemoteContext, baggage_fits, combine_tracestate, parse_traceparent

LAST_HOP: Final = Reply(204, "max_forwards", "this is as far as the request may go")
NOT_REFLECTED: Final = Reply(501, "max_forwards", "this is as far as the request may go, and it is not sent back")
_FORWARDS: Final = re.compile(rb"[0-9]{1,9}")
_MILLISECONDS: Final = re.compile(rb"[0-9]{1,9}")
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._~+/=-]{1,128}")


@dataclass(frozen=True, slots=True)
class Inherited:
    """What a trusted peer said."""

    request_id: str | None
    parent: RemoteContext | None
    tracestate: bytes
    seconds: float
    """How long it waits for the answer; 0.0 when it did not say."""


def sent_context(request: Request) -> RemoteContext | None:
    """The one valid traceparent of a request (W3C Trace Context section 3.2: two of them are none)."""
    values = request.all(b"traceparent")
    return parse_traceparent(values[0]) if len(values) == 1 else None


def inherit(request: Request) -> Inherited:
    """Read what a trusted peer sent; what is malformed counts as absent."""
    ids = request.all(b"x-request-id")
    request_id = ids[0].decode("ascii") if len(ids) == 1 and _REQUEST_ID.fullmatch(ids[0]) else None
    parent = sent_context(request)
    tracestate = combine_tracestate(request.all(b"tracestate")) if parent else b""
    return Inherited(request_id, parent, tracestate, _seconds(request.all(EXPECTED_TIMEOUT)))


def _seconds(values: list[bytes]) -> float:
    return int(values[0]) / 1000 if len(values) == 1 and _MILLISECONDS.fullmatch(values[0]) else 0.0


def count_forwards(request: Request) -> Reply | None:
    """`Max-Forwards` of OPTIONS and TRACE, one less; at zero the request ends here (RFC 9110 section 7.6.2).

    What a TRACE brought is not sent back (section 9.3.8): it may hold credentials that a page must not read.
    """
    if request.method not in ("OPTIONS", "TRACE"):
        return None
    value = request.fields[b"max-forwards"]
    if not _FORWARDS.fullmatch(value):
        return Reply(400, "max_forwards_malformed", "Max-Forwards is a number (RFC 9110 section 7.6.2)")
    if int(value) == 0:
        return LAST_HOP if request.method == "OPTIONS" else NOT_REFLECTED
    less = b"%d" % (int(value) - 1)
    request.replace_headers([(name, less if name == b"max-forwards" else value) for name, value in request.headers])
    return None


def bound_baggage(request: Request) -> None:
    """Drop baggage that is larger than anybody has to carry."""
    if not baggage_fits(request.all(b"baggage")):
        request.replace_headers([field for field in request.headers if field[0] != b"baggage"])
