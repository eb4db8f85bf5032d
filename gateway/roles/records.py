"""What is told of an exchange when it has ended: its access-log record and its spans.

Field names are those of the access log in docs/observability.md; span attributes follow OpenTelemetry's stable
HTTP semantic conventions. Tokens, cookies and query strings are in neither: a query can hold a secret.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

from gateway.http.messages import Reply
from gateway.observability.access_log import Record
from gateway.observability.tracing import Ids, SpanRecord
from gateway.roles.context import sent_context
from gateway.upstream.endpoint import split_address

if TYPE_CHECKING:
    from gateway.roles.facts import Facts

# Envoy's letters for the commonest reasons, so that readers of Envoy logs feel at home.
_FLAGS = {
    "no_route": "NR",
    "no_endpoint": "UH",
    "no_healthy_endpoint": "UH",
    "upstream_connect_failure": "UF",
    "upstream_connect_timeout": "UF",
    "upstream_tls_failure": "UF",
    "upstream_overflow": "UO",
    "upstream_reset": "UC",
    "upstream_timeout": "UT",
    "request_timeout": "UT",
    "upstream_protocol_error": "UPE",
    "rate_limited": "RL",
    "quota_exhausted": "RL",
    "limit_store_unavailable": "RLSE",
    "concurrency_limited": "UO",
    "client_gone": "DC",
    "body_timeout": "SI",
}


def iso_time(seconds: float) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    whole = int(seconds)
    return f"{_second(whole)}.{int((seconds - whole) * 1000):03d}Z"


@lru_cache(maxsize=4)
def _second(whole: int) -> str:
    """Most records of a second share it (1 µs less for each of them)."""
    return datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def iso_now() -> str:
    """The same for this moment."""
    return iso_time(time.time())


def access_record(exchange: Facts, duration: float) -> Record:
    """One line of the access log, and what the console shows of a request."""
    request, ids, reached = exchange.request, exchange.ids, exchange.cluster is not None
    by_gateway = bool(exchange.reason)
    return {
        "start_time": iso_time(exchange.started_wall),
        "method": request.method,
        "host": request.host,
        "path": request.path,
        "route": exchange.route.name if exchange.route else "",
        "listener": request.listener,
        "protocol": f"HTTP/{request.version}",
        "status": exchange.status,
        "reason": exchange.reason,
        "response_flags": _flags(exchange),
        "decided_by": "gateway" if by_gateway else exchange.cluster.name if exchange.cluster else "gateway",
        "policy": exchange.decided_by,
        "bytes_received": exchange.bytes_received,
        "bytes_sent": exchange.bytes_sent,
        "duration_ms": round(duration * 1000, 3),
        "upstream_duration_ms": round(exchange.upstream_seconds * 1000, 3),
        "upstream_cluster": exchange.cluster.name if reached and exchange.cluster else "",
        "upstream_endpoint": exchange.endpoint.address if exchange.endpoint else "",
        "attempts": exchange.attempts,
        "subject": request.subject,
        "client_address": request.client,
        "user_agent": request.get(b"user-agent") or "",
        "request_id": ids.request_id,
        "trace_id": ids.trace_id if exchange.sampled else "",
        "span_id": ids.span_id if exchange.sampled else "",
    }


def _flags(exchange: Facts) -> str:
    flag = _FLAGS.get(exchange.reason, "")
    if not exchange.faults:
        return flag
    planted = ["DI"] * any("delay" in one for one in exchange.faults)  # DI and FI: Envoy's, for injected faults
    planted += ["FI"] * any("abort" in one or "reset" in one for one in exchange.faults)
    return ",".join([*filter(None, [flag]), *planted])


def refusal_record(reply: Reply, peer: str, ids: Ids) -> Record:
    """The line for bytes that were no request."""
    return {
        "start_time": iso_now(),
        "method": "",
        "path": "",
        "route": "",
        "status": reply.status,
        "reason": reply.reason,
        "response_flags": "DPE",
        "decided_by": "gateway",
        "policy": "",
        "duration_ms": 0.0,
        "subject": "",
        "client_address": peer,
        "request_id": ids.request_id,
        "trace_id": "",
        "span_id": "",
    }


def server_span(exchange: Facts, duration: float) -> SpanRecord:
    """The SERVER span of an exchange."""
    request, route = exchange.request, exchange.route
    attributes: dict[str, str | int | float | bool] = {
        "http.request.method": request.method,
        "url.path": request.path,
        "url.scheme": request.scheme,
        "http.response.status_code": exchange.status,
        "client.address": request.client,
        "server.address": request.host,
        "network.protocol.version": request.version,
        "gateway.request_id": exchange.ids.request_id,
    }
    if route is not None:
        attributes["http.route"] = route.name
    if request.subject:
        attributes["user.id"] = request.subject
    if exchange.reason:
        attributes["gateway.reason"] = exchange.reason
        attributes["gateway.policy"] = exchange.decided_by
    if exchange.faults:
        attributes["gateway.planted_faults"] = "; ".join(exchange.faults)
    return SpanRecord(
        name=f"{request.method} {route.name}" if route else request.method,
        kind="server",
        trace_id=exchange.ids.trace_id,
        span_id=exchange.ids.span_id,
        parent_id=exchange.parent.span_id if exchange.parent else None,
        start=(began := exchange.started_wall),
        end=began + duration,
        attributes=attributes,
        error=exchange.reason if exchange.status >= 500 else None,
        link=None if exchange.parent else sent_context(exchange.request),
    )


def client_span(exchange: Facts, error: str) -> SpanRecord:
    """The CLIENT span of one try."""
    assert exchange.endpoint is not None
    assert exchange.cluster is not None
    host, port = split_address(exchange.endpoint.authority)
    attributes: dict[str, str | int | float | bool] = {
        "http.request.method": exchange.request.target_method,
        "url.path": exchange.request.target_path,
        "server.address": host,
        "server.port": port,
        "gateway.cluster": exchange.cluster.name,
        "http.request.resend_count": exchange.attempts - 1,
    }
    if not error:
        attributes["http.response.status_code"] = exchange.upstream_status
    if exchange.fault is not None:
        attributes["gateway.planted_fault"] = str(exchange.fault)
    began = exchange.started_wall + (exchange.try_started - exchange.started)
    return SpanRecord(
        name=f"{exchange.request.target_method} {exchange.cluster.name}",
        kind="client",
        trace_id=exchange.ids.trace_id,
        span_id=exchange.try_span_id,
        parent_id=exchange.ids.span_id,
        start=began,
        end=began + exchange.upstream_seconds,
        attributes=attributes,
        error=error or (str(exchange.upstream_status) if exchange.upstream_status >= 500 else None),
    )
