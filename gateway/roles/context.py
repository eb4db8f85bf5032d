"""What a request brings along: ids, trace context and baggage, from peers that are trusted and from others.

The problem: an id that a stranger chose must not address anything of ours, and one that our own proxy gave must not
get lost. The rule: where a listener says that its peers are our proxies (`trustedHops`), their request id, trace and
sampling decision go on; everybody else starts anew here, and what they sent remains as a link of the span.
Baggage goes on from everybody, within the bounds of W3C Baggage: it is data, not a decision.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from gateway.http.messages import Request
from gateway.observability.tracing import RemoteContext, baggage_fits, combine_tracestate, parse_traceparent

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._~+/=-]{1,128}")


@dataclass(frozen=True, slots=True)
class Inherited:
    """What a trusted peer said."""

    request_id: str | None
    parent: RemoteContext | None
    tracestate: bytes


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
    return Inherited(request_id, parent, tracestate)


def bound_baggage(request: Request) -> None:
    """Drop baggage that is larger than anybody has to carry."""
    if not baggage_fits(request.all(b"baggage")):
        request.replace_headers([field for field in request.headers if field[0] != b"baggage"])
