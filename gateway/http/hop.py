"""What belongs to one connection and what travels on (RFC 9110 §7.6.1).

The problem: a proxy that forwards connection fields, or fields that a client named in `Connection`, lets clients
talk to its upstream's framing, or delete headers that the proxy set. The rule: hop-by-hop fields and those named
by Connection end here; fields that say who the client is are always set by us, never passed on.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from gateway.http.messages import CHUNKED, Headers, Request, Response

HOP_BY_HOP: Final = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
    )
)

EXPECTED_TIMEOUT: Final = b"x-envoy-expected-rq-timeout-ms"
"""How many milliseconds the sender still waits: Envoy's name, which services and libraries in meshes know already."""

# We say these ourselves, so whatever the client wrote there is dropped.
_SET_BY_US: Final = frozenset(
    (
        b"host",
        b"content-length",
        b"expect",
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-proto",
        b"x-forwarded-port",
        b"x-real-ip",
        b"x-request-id",
        b"traceparent",
        b"tracestate",
        b"x-gatehouse-mirror",
        b"x-gatehouse-service",
        b"x-gatehouse-onward",
        EXPECTED_TIMEOUT,
    )
)
NOT_UPSTREAM: Final = HOP_BY_HOP | _SET_BY_US
NOT_DOWNSTREAM: Final = HOP_BY_HOP | {b"content-length"}

UPGRADE_LINES: Final = b"connection: upgrade\r\nupgrade: websocket\r\n"
VIA: Final = b"via: 1.1 gatehouse\r\n"


@lru_cache(maxsize=4096)
def forwarded_fields(client: str, host: str, scheme: str) -> bytes:
    """The fields that tell the upstream who asked (RFC 7239, and the older names that services still read)."""
    node = f'"[{client}]"' if ":" in client else client
    return (
        f'forwarded: for={node};host="{host}";proto={scheme}\r\n'
        f"x-forwarded-for: {client}\r\nx-forwarded-host: {host}\r\nx-forwarded-proto: {scheme}\r\n"
    ).encode("ascii")


@lru_cache(maxsize=1024)
def time_left_line(milliseconds: int) -> bytes:
    """The line that tells an endpoint how long its answer is waited for; what has run out is told as the least."""
    return b"%b: %d\r\n" % (EXPECTED_TIMEOUT, max(1, milliseconds))


def upstream_head(request: Request, host: str, extra: bytes) -> bytes:
    """The head to send upstream; `extra` are ready field lines (who asked, request id, trace context)."""
    rendered = request.rendered
    if rendered is not None and rendered[0] is request.headers:
        lines = rendered[1]
    else:
        lines = passed_on(request.headers, request.fields, NOT_UPSTREAM)
    target = f"{request.target_path}?{request.query}" if request.query else request.target_path
    start = f"{request.target_method} {target} HTTP/1.1\r\nhost: {host}\r\n".encode("latin-1")
    if request.length or request.target_method not in _BODILESS:
        lines += _length_line(request)
    if request.upgrade:
        lines += UPGRADE_LINES
    return start + lines + request.onward + extra + VIA + b"\r\n"


_BODILESS: Final = frozenset(("GET", "HEAD"))
"""Methods whose requests say nothing of a length when they have no body: nearly all."""


def _length_line(request: Request) -> bytes:
    if request.length == CHUNKED:
        return b"transfer-encoding: chunked\r\n"
    if request.length or request.target_method in ("POST", "PUT", "PATCH"):
        return b"content-length: %d\r\n" % request.length
    return b""


def downstream_fields(response: Response, keep_length: bool = False) -> bytes:
    """The upstream's fields that the client gets; `keep_length` when they describe a body that is not sent."""
    rendered = response.rendered
    if rendered is not None and rendered[0] is response.headers and not keep_length:
        return rendered[1]
    return passed_on(response.headers, response.fields, HOP_BY_HOP if keep_length else NOT_DOWNSTREAM)


def passed_on(headers: Headers, fields: Mapping[bytes, bytes], refused: frozenset[bytes]) -> bytes:
    """The lines of all fields but the refused ones, and those that Connection names."""
    if b"connection" in fields:
        refused = _with_nominated(fields, refused)
    return b"".join([b"%b: %b\r\n" % field for field in headers if field[0] not in refused])


def nominated(headers: Headers) -> frozenset[bytes]:
    """The fields that Connection names: they belong to one connection, too."""
    options = b",".join(value for name, value in headers if name == b"connection").lower().split(b",")
    return frozenset(option.strip(b" \t") for option in options)


def _with_nominated(fields: Mapping[bytes, bytes], refused: frozenset[bytes]) -> frozenset[bytes]:
    """Also the fields that Connection names."""
    options = fields[b"connection"]
    if options in (b"keep-alive", b"close"):
        return refused
    return refused.union(option.strip(b" \t") for option in options.lower().split(b","))
