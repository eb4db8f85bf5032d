"""From OTLP's protobuf messages to Span.

The problem: a span may hold anything. The rule: ids must be valid (W3C: not all zero) and there must be a start
time, as OTLP requires; everything else is cut to a size instead of being refused. Attributes, events and links are
kept as they came and read when somebody looks at the trace, unless they are large: a span then takes 16 µs, not 65.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Proto

from gateway.control.trace_store import Details, Span

KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
STATUSES = ("unset", "ok", "error")
MAX_ATTRIBUTES = 64
MAX_TEXT = 2_048
MAX_LIST = 16
MAX_EVENTS = 32
MAX_LINKS = 16
MAX_UNREAD = 16 * 1024
"""Bytes of a span that is kept as it came."""


def spans(request: ExportTraceServiceRequest) -> Iterator[Span | None]:
    """Every span of an export; None for one that is not valid."""
    for resource in request.resource_spans:
        attributes = _attributes(resource.resource.attributes)
        service = str(attributes.get("service.name", "unknown"))[:128]
        for scope in resource.scope_spans:
            for proto in scope.spans:
                yield _span(proto, service)


def _span(proto: Proto, service: str) -> Span | None:
    if not (_valid(proto.trace_id, 16) and _valid(proto.span_id, 8)):
        return None
    if proto.start_time_unix_nano == 0:
        return None
    details, size = _kept(proto)
    return Span(
        trace_id=proto.trace_id.hex(),
        span_id=proto.span_id.hex(),
        parent_id=proto.parent_span_id.hex() or None,
        service=service,
        name=proto.name[:256],
        kind=_pick(KINDS, proto.kind),
        start_ns=proto.start_time_unix_nano,
        end_ns=max(proto.end_time_unix_nano, proto.start_time_unix_nano),
        status=_pick(STATUSES, proto.status.code),
        status_message=proto.status.message[:MAX_TEXT],
        linked=tuple(link.trace_id.hex()[:32] for link in proto.links[:MAX_LINKS]),
        details=details,
        size=1_000 + size,
    )


def _kept(proto: Proto) -> tuple[Callable[[], Details], int]:
    """The way to a span's details, and how many bytes it holds."""
    size = proto.ByteSize()
    if size <= MAX_UNREAD:
        return partial(_read, proto.SerializeToString()), size
    cut = _details(proto)
    return lambda: cut, min(size, 4 * MAX_ATTRIBUTES * MAX_TEXT) * 3


def _read(encoded: bytes) -> Details:
    return _details(Proto.FromString(encoded))


def _details(proto: Proto) -> Details:
    return Details(
        _attributes(proto.attributes),
        [_event(event, proto.start_time_unix_nano) for event in proto.events[:MAX_EVENTS]],
        [_link(link) for link in proto.links[:MAX_LINKS]],
    )


def _valid(identifier: bytes, length: int) -> bool:
    return len(identifier) == length and any(identifier)


def _pick(names: tuple[str, ...], number: int) -> str:
    return names[number] if 0 <= number < len(names) else names[0]


def _event(event: Proto.Event, start: int) -> dict[str, Any]:
    return {
        "name": event.name[:256],
        "offset_ms": round((event.time_unix_nano - start) / 1e6, 3),
        "attributes": _attributes(event.attributes),
    }


def _link(link: Proto.Link) -> dict[str, Any]:
    return {
        "trace_id": link.trace_id.hex()[:32],
        "span_id": link.span_id.hex()[:16],
        "attributes": _attributes(link.attributes),
    }


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for pair in pairs:
        if len(kept) >= MAX_ATTRIBUTES:
            break
        kept[pair.key[:256]] = _value(pair.value)
    return kept


def _value(value: AnyValue) -> Any:
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value[:MAX_TEXT]
        case "bool_value":
            return value.bool_value
        case "int_value":
            return value.int_value
        case "double_value":
            return value.double_value
        case "array_value":
            return [_value(one) for one in value.array_value.values[:MAX_LIST]]
        case "bytes_value":
            return value.bytes_value.hex()[:MAX_TEXT]
        case _:
            return None
