"""What an exchange tells the copies of its request (gateway.filters.mirror)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.http.hop import forwarded_fields

if TYPE_CHECKING:
    from gateway.roles.facts import Facts


def begin_copies(exchange: Facts, early: tuple[bytes, ...], complete: bool) -> None:
    """Every filter has let the request pass: `early` is the body that waits, `complete` whether that is all of it."""
    request, ids = exchange.request, exchange.ids
    route = exchange.route.name if exchange.route else ""
    flag = "01" if exchange.sampled else "00"
    own = (
        f"x-request-id: {ids.request_id}\r\ntraceparent: 00-{ids.trace_id}-{ids.span_id}-{flag}\r\n"
        f"x-gatehouse-mirror: {route}\r\n"
    )
    context = forwarded_fields(request.client, request.host, request.scheme) + own.encode("ascii")
    if exchange.tracestate:
        context += b"tracestate: %b\r\n" % exchange.tracestate
    for copy in request.copies:
        copy.begin(context, early, complete)
