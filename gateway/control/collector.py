"""The built-in trace collector: OTLP over HTTP on its own port.

The problem: the port is on loopback, so every local program reaches it, and a body of a few kilobytes can
inflate to gigabytes. The rule: a secret first, then limits on the body as sent *and* as inflated; answers
follow the OTLP specification (https://opentelemetry.io/docs/specs/otlp/#otlphttp): partial success when
some spans were not kept, errors as protobuf Status.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable

from aiohttp import web
from google.protobuf.message import DecodeError
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from gateway.control import otlp
from gateway.control.guard import bearer, same
from gateway.control.trace_store import TraceStore

log = logging.getLogger(__name__)

MAX_BODY = 4 * 1024 * 1024
MAX_INFLATED = 16 * 1024 * 1024
PROTOBUF = "application/x-protobuf"

Count = Callable[[str, int], None]


class ExportError(Exception):
    """An export that is not taken; `status` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Collector:
    """`POST /v1/traces`; `count` is told how many spans were stored and rejected."""

    def __init__(self, store: TraceStore, secret: str, count: Count) -> None:
        self._store, self._secret, self._count = store, secret, count

    def application(self) -> web.Application:
        """The collector as an aiohttp application."""
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_post("/v1/traces", self.traces)
        return app

    async def traces(self, request: web.Request) -> web.Response:
        """Take an export."""
        try:
            return self._store_all(await self._read(request))
        except ExportError as refused:
            body = Status(message=str(refused)).SerializeToString()
            headers = {"WWW-Authenticate": 'Bearer realm="otlp"'} if refused.status == 401 else None
            return web.Response(body=body, status=refused.status, content_type=PROTOBUF, headers=headers)

    async def _read(self, request: web.Request) -> ExportTraceServiceRequest:
        if not same(bearer(request) or "", self._secret):
            raise ExportError(401, "the collector takes spans only with this instance's secret")
        if request.content_type != PROTOBUF:
            raise ExportError(415, f"only {PROTOBUF} is understood")
        try:
            body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            raise ExportError(413, f"at most {MAX_BODY} bytes") from None
        message = ExportTraceServiceRequest()
        try:
            message.ParseFromString(inflated(body, request.headers.get("Content-Encoding")))
        except DecodeError:
            raise ExportError(400, "the body is not an ExportTraceServiceRequest") from None
        return message

    def _store_all(self, request: ExportTraceServiceRequest) -> web.Response:
        kept = rejected = 0
        for span in otlp.spans(request):
            if span is not None and self._store.add(span):
                kept += 1
            else:
                rejected += 1
        self._count("stored", kept)
        self._count("rejected", rejected)
        answer = ExportTraceServiceResponse()
        if rejected:
            answer.partial_success.rejected_spans = rejected
            answer.partial_success.error_message = (
                "spans with invalid ids, without a start time, or of traces that are full"
            )
        return web.Response(body=answer.SerializeToString(), content_type=PROTOBUF)


def inflated(body: bytes, coding: str | None) -> bytes:
    """The body without its gzip coding.

    Raises:
        ExportError: 415 for another coding, 400 for a broken one, 413 when it inflates beyond MAX_INFLATED.
    """
    if coding in (None, "", "identity"):
        return body
    if coding != "gzip":
        raise ExportError(415, "only gzip is understood")
    unzip = zlib.decompressobj(wbits=31)
    try:
        plain = unzip.decompress(body, MAX_INFLATED)
    except zlib.error:
        raise ExportError(400, "the body is not gzip") from None
    if unzip.unconsumed_tail:
        raise ExportError(413, f"at most {MAX_INFLATED} bytes after inflating")
    if not unzip.eof:
        raise ExportError(400, "the gzip body is cut short")
    return plain
