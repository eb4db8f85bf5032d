"""Spans to somebody else's collector: a receiver that speaks OTLP over HTTP as Jaeger and Tempo do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

pytestmark = pytest.mark.whole_system
QUERY = {"query": "{ me { username profile { fullName } orders { id } } }"}


class Receiver:
    """Reads what it is sent, and keeps it; whatever is not OTLP over HTTP as the specification has it is refused."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Any]] = []
        """Service and span."""
        self.refused: list[tuple[str, ...]] = []
        self._lock = threading.Lock()

    def take(self, path: str, headers: Any, body: bytes) -> int:
        """The status of the answer."""
        told = (path, headers["Content-Type"], headers["X-Scope-OrgID"])
        wrong = told != ("/v1/traces", "application/x-protobuf", "class one")
        request = ExportTraceServiceRequest.FromString(body)
        with self._lock:
            self.refused += [told] if wrong else []
            for resource in request.resource_spans:
                named = {one.key: one.value.string_value for one in resource.resource.attributes}
                for scope in resource.scope_spans:
                    self.spans += [(named["service.name"], span) for span in scope.spans]
        return 400 if wrong else 200

    def of(self, trace_id: str) -> list[tuple[str, Any]]:
        """One trace's."""
        with self._lock:
            return [(service, span) for service, span in self.spans if span.trace_id.hex() == trace_id]


@pytest.fixture
def receiver() -> Iterator[tuple[str, Receiver]]:
    """Its address, and itself."""
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(kept.take(self.path, self.headers, body))
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", kept
    server.shutdown()
    server.server_close()


@pytest.mark.timeout(180)
def test_one_variable_sends_every_span_there(
    receiver: tuple[str, Receiver], start_shop: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, kept = receiver
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "X-Scope-OrgID=class%20one")
    with start_shop() as shop:
        answer = shop.send("POST", "/graphql", json=QUERY, token=shop.token("alice"))
        assert answer.status == 200
        wanted = {"gateway", "storefront", "orders", "profiles"}
        until(lambda: {service for service, _ in kept.of(answer.trace_id)} >= wanted, 60)
        spans = [span for _, span in kept.of(answer.trace_id)]
        known = {span.span_id for span in spans}
        (root,) = [span for span in spans if not span.parent_span_id]
        assert root.name == "POST graphql"
        assert all(span.parent_span_id in known for span in spans if span is not root)
        assert all(span.end_time_unix_nano >= span.start_time_unix_nano > 0 for span in spans)
        assert kept.refused == []
        assert shop.admin("GET", "/traces").json()["traces"] == []
        assert url in shop.gatehouse("trace", answer.trace_id, code=1)
