"""The kit as a whole: a small service in a real process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

SMALL = Path(__file__).with_name("small_service.py")
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


class Running(Protocol):
    url: str
    port: int
    process: subprocess.Popen[bytes]
    data_dir: Path

    def log_text(self) -> str: ...
    def log_lines(self, message: str | None = None) -> list[dict[str, Any]]: ...
    def stop(self) -> int: ...


class Start(Protocol):
    def __call__(self, name: str, module: str | Path, **options: Any) -> Running: ...


def call(url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, Any, dict[str, str]]:
    """Status, parsed body and headers."""
    request = Request(url, body, {"Content-Type": "application/json", **(headers or {})})
    try:
        with urlopen(request, timeout=5) as answer:
            return answer.status, json.loads(answer.read()), dict(answer.headers)
    except HTTPError as error:
        with error:
            return error.code, json.loads(error.read()), dict(error.headers)


def metric(service: Running, name: str, **labels: str) -> float:
    with urlopen(f"{service.url}/metrics", timeout=5) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        samples = [sample for family in families for sample in family.samples]
    return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())


@pytest.fixture
def small(start_service: Start) -> Running:
    return start_service("small", SMALL)


def test_seeds_once_and_keeps_its_data(small: Running, start_service: Start) -> None:
    assert call(f"{small.url}/notes", b'{"text": "hello"}')[:2] == (201, {"id": 2})
    assert small.stop() == 0
    again = start_service("small", SMALL, data_dir=small.data_dir)
    assert call(f"{again.url}/notes/1")[1] == {"count": 2}


def test_its_files_are_its_own(small: Running) -> None:
    assert small.data_dir.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in small.data_dir.iterdir()} == {0o600}


REFUSALS: list[tuple[str, bytes | None, int, str]] = [
    ("/notes", b"{", 400, "malformed_json"),
    ("/notes", b'{"text": 1}', 422, "invalid_body"),
    ("/notes", b'{"text": "' + b"a" * 1_100_000 + b'"}', 413, "too_large"),
    ("/notes/1", b"{}", 405, "method_not_allowed"),
    ("/nothing", None, 404, "not_found"),
    ("/broken", None, 500, "internal_error"),
    ("/relay?path=/", None, 503, "peer_unavailable"),
    ("/whoami", None, 401, "token_missing"),
]


def test_every_refusal_is_a_problem(small: Running) -> None:
    for path, body, status, reason in REFUSALS:
        got, document, headers = call(small.url + path, body, {"traceparent": PARENT})
        assert (got, document["reason"], document["trace_id"]) == (status, reason, TRACE), path
        assert headers["Content-Type"] == "application/problem+json"
        assert "inner detail" not in json.dumps(document)
        assert "Server" not in headers


def test_unexpected_errors_are_logged_and_counted(small: Running) -> None:
    call(f"{small.url}/broken", headers={"traceparent": PARENT})
    [line] = small.log_lines("unexpected error")
    assert "ValueError: inner detail" in line["exception"]
    assert line["trace_id"] == TRACE
    assert metric(small, "service_unexpected_errors_total") == 1
    assert metric(small, "http_server_request_duration_seconds_count", error_type="ValueError") == 1


def test_routes_are_labels_and_paths_are_not(small: Running) -> None:
    for number in range(3):
        call(f"{small.url}/notes/{number}")
        call(f"{small.url}/nothing/{number}")
    count = "http_server_request_duration_seconds_count"
    assert metric(small, count, http_route="/notes/{any}", http_response_status_code="200") == 3
    assert metric(small, count, http_route="unmatched", http_response_status_code="404") == 3


def test_the_access_log_keeps_queries_and_forged_lines_out(small: Running) -> None:
    call(f"{small.url}/notes/%7F%1B%0A%C2%9B?token=abc123", headers={"User-Agent": "evil\x9b"})
    lines = small.log_lines("request")
    assert [line["path"] for line in lines] == ["/notes/\x7f\x1b\n\x9b"]
    assert "abc123" not in small.log_text()
    assert not any(character in small.log_text() for character in "\x7f\x1b\x9b")


def test_failing_background_work_is_started_again(small: Running) -> None:
    while metric(small, "service_background_failures_total", task="poll") < 2:
        assert small.process.poll() is None
    assert small.log_lines("background task failed")[0]["task"] == "poll"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stops_when_told(small: Running, number: signal.Signals) -> None:
    small.process.send_signal(number)
    assert small.process.wait(3) == 0
    assert small.log_lines()[-1]["message"] == "stopped"


def test_stops_when_its_supervisor_is_gone(start_service: Start) -> None:
    read_end, write_end = os.pipe()
    small = start_service("small", SMALL, lifeline_fd=read_end)
    os.close(read_end)
    assert small.process.poll() is None
    os.close(write_end)
    assert small.process.wait(3) == 0


def test_a_taken_port_ends_it_with_a_reason(small: Running, tmp_path: Path) -> None:
    settings = {"service": "small", "instance": "small-2", "port": small.port, "data_dir": str(tmp_path / "b")}
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    ended = subprocess.run(
        [sys.executable, SMALL, "--settings", tmp_path / "settings.json"], capture_output=True, timeout=10
    )
    assert ended.returncode == 1
    assert b"address already in use" in ended.stderr


@pytest.mark.parametrize("document", ["{", "{}", '{"service": "small", "secrets": {"client_secret": ["hunter2"]}}'])
def test_bad_settings_are_refused_without_repeating_them(tmp_path: Path, document: str) -> None:
    (tmp_path / "settings.json").write_text(document)
    ended = subprocess.run(
        [sys.executable, SMALL, "--settings", tmp_path / "settings.json"], capture_output=True, timeout=10
    )
    assert ended.returncode == 2
    assert b"settings are not valid" in ended.stderr
    assert b"hunter2" not in ended.stderr


class Collector(ThreadingHTTPServer):
    """Keeps what it gets on /v1/traces."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), CollectorHandler)
        self.received: list[tuple[str | None, ExportTraceServiceRequest]] = []

    def spans(self) -> dict[str, Any]:
        return {
            span.name: span
            for _, message in self.received
            for resource in message.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        }


class CollectorHandler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        message = ExportTraceServiceRequest.FromString(body)
        self.server.received.append((self.headers["Authorization"], message))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class' name
        """Quiet."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_one_trace_from_the_caller_to_the_sql(start_service: Start, collector: Collector) -> None:
    otlp = {
        "endpoint": f"http://127.0.0.1:{collector.server_port}",
        "headers": {"authorization": "Bearer s3cret"},
    }
    small = start_service("small", SMALL, otlp=otlp)
    call(f"{small.url}/notes", b'{"text": "private words"}', {"traceparent": PARENT, "tracestate": "vendor=1"})
    small.stop()  # sends what waits
    spans = collector.spans()
    server, write = spans["POST /notes"], spans["small db.write add_note"]
    assert server.trace_id.hex() == write.trace_id.hex() == TRACE
    assert server.parent_span_id.hex() == "b7ad6b7169203331"
    assert write.parent_span_id == server.span_id
    assert server.trace_state == "vendor=1"
    attributes = {one.key: one.value.string_value for one in write.attributes}
    assert attributes["db.query.text"] == "INSERT INTO note (text) VALUES (?)"
    assert b"private words" not in b"".join(m.SerializeToString() for _, m in collector.received)
    assert {header for header, _ in collector.received} == {"Bearer s3cret"}
    assert set(spans) == {"POST /notes", "small db.write add_note"}  # neither probes nor polling make traces


def test_unsampled_callers_make_no_spans(start_service: Start, collector: Collector) -> None:
    small = start_service("small", SMALL, otlp={"endpoint": f"http://127.0.0.1:{collector.server_port}"})
    call(f"{small.url}/notes/1", headers={"traceparent": PARENT[:-2] + "00"})
    small.stop()
    assert collector.spans() == {}
    assert small.log_lines("request")[0]["trace_id"] == TRACE


def test_a_collector_that_is_away_is_counted_and_not_talked_about(start_service: Start) -> None:
    small = start_service("small", SMALL, otlp={"endpoint": "http://127.0.0.1:1"})
    call(f"{small.url}/notes/1")
    while metric(small, "telemetry_spans_total", outcome="failed") < 2:
        assert small.process.poll() is None
    assert "opentelemetry" not in small.log_text()
    assert small.stop() == 0
