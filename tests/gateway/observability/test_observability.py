"""Counting, trace context, the access log and span export, each by itself."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from gateway.observability import access_log as access_log_module
from gateway.observability.access_log import AccessLog
from gateway.observability.export import MAX_QUEUE, PIECE, SpanExporter
from gateway.observability.logs import JsonFormatter
from gateway.observability.metrics import Metrics
from gateway.observability.registry import BUCKETS, Counter, Histogram, method_label
from gateway.observability.tracing import (
    Ids,
    RemoteContext,
    SpanRecord,
    baggage_fits,
    combine_tracestate,
    parse_traceparent,
)


def test_a_histogram_counts_into_the_right_buckets() -> None:
    histogram = Histogram("x_seconds", "", ("route",))
    for seconds in (0.004, 0.005, 0.006, 3.0, 11.0):
        histogram.observe(("a",), seconds)
    samples = {(name, labels.get("le")): value for name, labels, value, _ in histogram.family()["samples"]}
    assert samples["x_seconds_bucket", "0.005"] == 2
    assert samples["x_seconds_bucket", "0.01"] == 3
    assert samples["x_seconds_bucket", "10.0"] == 4
    assert samples["x_seconds_bucket", "+Inf"] == samples["x_seconds_count", None] == 5
    assert samples["x_seconds_sum", None] == pytest.approx(14.015)
    assert len(samples) == len(BUCKETS) + 3


def test_an_exemplar_stands_at_its_bucket() -> None:
    histogram = Histogram("x_seconds", "", ())
    bucket = histogram.observe((), 0.02)
    histogram.exemplar((), bucket, ("a" * 32, 0.02, 7.0))
    marked = [labels["le"] for _, labels, _, exemplar in histogram.family()["samples"] if exemplar]
    assert marked == ["0.025"]


def test_every_family_has_a_name_that_says_what_it_counts() -> None:
    names = [family["name"] for family in Metrics().families()]
    assert len(names) == len(set(names))
    assert all(name.startswith(("http_", "gateway_")) for name in names)


def test_methods_that_nobody_knows_share_a_label() -> None:
    assert (method_label("GET"), method_label("BREW")) == ("GET", "_OTHER")


TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (f"00-{TRACE}-{SPAN}-01", RemoteContext(TRACE, SPAN, True)),
        (f"00-{TRACE}-{SPAN}-00", RemoteContext(TRACE, SPAN, False)),
        (f"00-{TRACE}-{SPAN}-ff", RemoteContext(TRACE, SPAN, True)),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-holds", RemoteContext(TRACE, SPAN, True)),
        (f"00-{TRACE}-{SPAN}-01-more", None),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-{SPAN}-01", None),
        (f"00-{TRACE}-{SPAN}", None),
        ("", None),
    ],
)
def test_traceparent(value: str, expected: RemoteContext | None) -> None:
    assert parse_traceparent(value.encode()) == expected


@pytest.mark.parametrize(
    ("values", "combined"),
    [
        ([b"a=1"], b"a=1"),
        ([b"a=1, b=2", b"c=3"], b"a=1,b=2,c=3"),
        ([b"tenant@system=x y", b" ,,"], b"tenant@system=x y"),
        ([b"a=1,a=2"], b""),
        ([b"A=1"], b""),
        ([b"a"], b""),
        ([b"a=1=2"], b""),
        ([b",".join(b"k%d=v" % n for n in range(32))], b",".join(b"k%d=v" % n for n in range(32))),
        ([b",".join(b"k%d=v" % n for n in range(33))], b""),
        ([], b""),
    ],
)
def test_tracestate(values: list[bytes], combined: bytes) -> None:
    assert combine_tracestate(values) == combined


def test_baggage_is_bounded() -> None:
    assert baggage_fits([b"a=1", b"b=2"])
    assert not baggage_fits([b"a=" + b"x" * 8_191])
    assert not baggage_fits([b",".join([b"a=1"] * 65)])


def test_ids_have_the_right_lengths_and_differ() -> None:
    random = Random(1)
    one, other = Ids(random), Ids(random)
    assert [len(one.trace_id), len(one.span_id), len(one.request_id)] == [32, 16, 32]
    assert len({one.trace_id, other.trace_id, one.request_id, other.request_id}) == 4


def test_the_access_log_is_json_with_control_characters_escaped(tmp_path: Path) -> None:
    log = AccessLog(tmp_path / "access.log")
    log.add({"path": "/a\r\nforged\x1b[31m", "status": 200})
    log.add({"path": "/b"})
    log.flush()
    lines = (tmp_path / "access.log").read_bytes().splitlines()
    assert len(lines) == 2
    assert b"\x1b" not in lines[0]
    assert json.loads(lines[0])["path"] == "/a\r\nforged\x1b[31m"
    assert (tmp_path / "access.log").stat().st_mode & 0o777 == 0o600
    log.close()


def test_a_full_log_is_moved_aside_and_followed_by_other_writers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_log_module, "MAX_BYTES", 100)
    path = tmp_path / "access.log"
    one, other = AccessLog(path), AccessLog(path)
    for turn in range(4):
        for log in (one, other):
            log.add({"turn": turn, "padding": "x" * 60})
            log.flush()
    aside = path.with_suffix(".log.1")
    assert aside.exists()
    assert path.stat().st_size < 300
    assert json.loads(path.read_bytes().splitlines()[-1])["turn"] == 3
    one.close()
    other.close()


def test_lines_that_cannot_be_written_are_counted(tmp_path: Path) -> None:
    lost = Counter("lost", "")
    log = AccessLog(tmp_path / "absent" / "access.log", lost)
    log.add({"a": 1})
    log.flush()
    assert lost.values == {(): 1}


def span(number: int = 0, **changes: Any) -> SpanRecord:
    made = SpanRecord("GET orders", "server", TRACE, f"{number + 1:016x}", None, 1.0, 1.5, {"http.route": "orders"})
    for name, value in changes.items():
        setattr(made, name, value)
    return made


@pytest.fixture
def dropped() -> list[tuple[str, int]]:
    return []


@pytest.fixture
def exporter_to(dropped: list[tuple[str, int]]) -> Any:
    def make(url: str) -> SpanExporter:
        return SpanExporter(url, {"authorization": "Bearer s"}, "gateway", "w1", lambda *told: dropped.append(told))

    return make


async def test_spans_arrive_as_otlp(exporter_to: Any) -> None:
    received: list[ExportTraceServiceRequest] = []

    async def take(request: web.Request) -> web.Response:
        assert request.headers["authorization"] == "Bearer s"
        received.append(ExportTraceServiceRequest.FromString(await request.read()))
        return web.Response()

    app = web.Application()
    app.router.add_post("/v1/traces", take)
    async with TestServer(app) as server:
        exporter = exporter_to(str(server.make_url("/")))
        task = asyncio.create_task(exporter.run())
        exporter.add(span(error="upstream_reset", link=RemoteContext(TRACE, SPAN, True), parent_id=SPAN))
        await asyncio.sleep(0)
        task.cancel()  # what is queued is sent at the end
        await asyncio.gather(task, return_exceptions=True)
    (resource,) = received[0].resource_spans
    (sent,) = resource.scope_spans[0].spans
    assert (sent.trace_id.hex(), sent.parent_span_id.hex()) == (TRACE, SPAN)
    assert sent.end_time_unix_nano - sent.start_time_unix_nano == 500_000_000
    assert sent.links[0].span_id.hex() == SPAN
    assert {one.key: one.value.string_value for one in sent.attributes}["error.type"] == "upstream_reset"


async def test_a_large_batch_is_one_message_made_in_pieces_between_requests(exporter_to: Any) -> None:
    received: list[ExportTraceServiceRequest] = []
    turns = 0

    def others() -> None:
        nonlocal turns
        turns += 1
        asyncio.get_running_loop().call_soon(others)

    async def take(request: web.Request) -> web.Response:
        received.append(ExportTraceServiceRequest.FromString(await request.read()))
        return web.Response()

    app = web.Application()
    app.router.add_post("/v1/traces", take)
    async with TestServer(app) as server:
        exporter = exporter_to(str(server.make_url("/")))
        spans = [span(number) for number in range(4 * PIECE + 1)]
        others()
        before = turns
        await exporter._encoded(spans)
        assert turns - before >= 5
        for one in spans:
            exporter.add(one)
        await exporter.flush()
        await exporter._session.close()
    (message,) = received
    assert sum(len(scope.spans) for one in message.resource_spans for scope in one.scope_spans) == len(spans)


async def test_a_collector_that_is_away_costs_spans_not_memory(
    exporter_to: Any, dropped: list[tuple[str, int]], unused_tcp_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    exporter = exporter_to(f"http://127.0.0.1:{unused_tcp_port}")
    for number in range(MAX_QUEUE + 10):
        exporter.add(span(number))
    assert dropped == [("queue_full", 1)] * 10
    await exporter.flush()
    await exporter.flush()
    assert dropped[10:] == [("export_failed", 512)] * 2
    assert len(caplog.records) == 1  # it is said once, not every second
    await exporter._session.close()


def test_process_logs_are_one_json_object_per_line() -> None:
    import logging

    record = logging.LogRecord("a", logging.INFO, "f", 1, "said %s", ("x\ny",), None)
    line = JsonFormatter().format(record)
    assert "\n" not in line
    assert json.loads(line)["message"] == "said x\ny"
