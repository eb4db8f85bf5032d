"""The trace collector: only with the secret, only so much, and as the OTLP specification says."""

from __future__ import annotations

import asyncio
import gzip
import io
from typing import Any

import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Link, SpanKind, StatusCode
from opentelemetry.trace import Status as SpanStatus

from gateway.control import collector, otlp
from gateway.control.trace_store import Details, TraceStore

SECRET = "collector-secret-of-this-start"
PROTOBUF = {"Content-Type": "application/x-protobuf"}
ALLOWED = {**PROTOBUF, "Authorization": f"Bearer {SECRET}"}


def export(*ids: tuple[int, int], name: str = "work", start: int = 10**18) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    for trace, span in ids:
        spans.add(
            trace_id=trace.to_bytes(16, "big"), span_id=span.to_bytes(8, "big"), name=name,
            start_time_unix_nano=start, end_time_unix_nano=start + 5_000_000,
        )  # fmt: skip
    return request


async def send(instance: Any, body: bytes, status: int, headers: dict[str, str] = ALLOWED) -> bytes:
    async with instance.http.post(instance.collector, data=io.BytesIO(body), headers=headers) as response:
        assert response.status == status, await response.read()
        assert response.content_type == "application/x-protobuf"
        return bytes(await response.read())


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip])
async def test_spans_of_the_real_exporter(instance: Any, compression: Compression) -> None:
    def work() -> tuple[str, str]:
        exporter = OTLPSpanExporter(
            endpoint=instance.collector, headers={"authorization": f"Bearer {SECRET}"}, compression=compression
        )
        provider = TracerProvider(resource=Resource.create({"service.name": "orders"}))
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        tracer = provider.get_tracer("test")
        with tracer.start_as_current_span("earlier") as earlier:
            pass
        link = Link(earlier.get_span_context())
        with tracer.start_as_current_span("GET /orders", kind=SpanKind.SERVER, links=[link]) as root:
            root.set_attributes({"http.route": "/orders", "n": 3, "ok": True, "list": ["a", "b"], "part": 0.5})
            with tracer.start_as_current_span("orders db.read", kind=SpanKind.CLIENT) as child:
                child.set_status(SpanStatus(StatusCode.ERROR, "locked"))
                child.add_event("retry", {"attempt": 2})
        provider.shutdown()
        return f"{root.get_span_context().trace_id:032x}", f"{earlier.get_span_context().trace_id:032x}"

    trace_id, earlier_id = await asyncio.to_thread(work)
    listed = (await instance.get("/traces?service=orders"))["traces"]
    assert [trace["trace_id"] for trace in listed] == [trace_id, earlier_id]
    assert (await instance.get("/traces?service=nobody"))["traces"] == []
    trace = await instance.get(f"/traces/{trace_id}")
    root, child = trace["spans"]
    assert (root["service"], root["name"], root["kind"], root["parent_id"]) == (
        "orders", "GET /orders", "server", None
    )  # fmt: skip
    assert root["attributes"] == {"http.route": "/orders", "n": 3, "ok": True, "list": ["a", "b"], "part": 0.5}
    assert root["links"][0]["trace_id"] == earlier_id
    assert child["parent_id"] == root["span_id"]
    assert child["status"] == {"code": "error", "message": "locked"}
    assert child["events"][0]["attributes"] == {"attempt": 2}
    assert 0 <= child["start_ms"] <= root["duration_ms"]
    assert (await instance.get(f"/traces/{earlier_id}"))["linked_from"] == [trace_id]


@pytest.mark.parametrize(
    "headers",
    [
        PROTOBUF,
        {**PROTOBUF, "Authorization": "Bearer wrong"},
        {**PROTOBUF, "Authorization": f"Basic {SECRET}"},
        {**PROTOBUF, "Authorization": "Bearer admin-secret-of-this-start"},
    ],
)
async def test_the_secret_is_required(instance: Any, headers: dict[str, str]) -> None:
    body = await send(instance, export((1, 1)).SerializeToString(), 401, headers)
    assert "secret" in Status.FromString(body).message
    assert len(instance.plane.traces) == 0


async def test_bodies_that_are_not_exports(instance: Any) -> None:
    await send(instance, b"\xff\xff\xff", 400)
    await send(instance, b"{}", 415, {**ALLOWED, "Content-Type": "application/json"})
    await send(instance, b"x", 415, {**ALLOWED, "Content-Encoding": "br"})
    await send(instance, b"no gzip", 400, {**ALLOWED, "Content-Encoding": "gzip"})
    packed = gzip.compress(export((1, 1)).SerializeToString())
    await send(instance, packed[:-4], 400, {**ALLOWED, "Content-Encoding": "gzip"})
    assert len(instance.plane.traces) == 0


async def test_bodies_are_bounded_as_sent_and_as_inflated(instance: Any) -> None:
    await send(instance, b"x" * (collector.MAX_BODY + 1), 413)
    bomb = gzip.compress(b"\0" * (collector.MAX_INFLATED + 1))
    assert len(bomb) < 20_000
    await send(instance, bomb, 413, {**ALLOWED, "Content-Encoding": "gzip"})


async def test_partial_success(instance: Any) -> None:
    request = export((7, 1), (7, 2), (0, 3), (8, 0))
    answer = ExportTraceServiceResponse.FromString(await send(instance, request.SerializeToString(), 200))
    assert answer.partial_success.rejected_spans == 2
    assert "invalid ids" in answer.partial_success.error_message
    clean = await send(instance, export((9, 1)).SerializeToString(), 200)
    assert not ExportTraceServiceResponse.FromString(clean).HasField("partial_success")
    async with instance.http.get(instance.url + "/metrics") as response:
        text = await response.text()
    assert 'gateway_collector_spans_total{result="stored"} 3.0' in text
    assert 'gateway_collector_spans_total{result="rejected"} 2.0' in text
    assert "gateway_collector_traces 2.0" in text


async def test_unknown_traces(instance: Any) -> None:
    for name in ("0" * 32, "x", "..%2Fconfig", "A" * 500):
        assert (await instance.get(f"/traces/{name}", status=404))["reason"] in ("no_such_trace", "not_found")
    for query in ("limit=0", "limit=x", "limit=-1", "limit=99999", "limit=%C2%B2"):
        await instance.get(f"/traces?{query}", status=400)


def keep(store: TraceStore, request: ExportTraceServiceRequest) -> list[bool]:
    return [store.add(span) for span in otlp.spans(request) if span is not None]


def test_the_store_keeps_the_latest() -> None:
    store = TraceStore(max_traces=3)
    for trace in (1, 2, 3):
        keep(store, export((trace, 1)))
    keep(store, export((1, 2)))
    keep(store, export((4, 1)))
    assert [int(trace["trace_id"], 16) for trace in store.latest(10)] == [4, 1, 3]
    assert [int(trace["trace_id"], 16) for trace in store.latest(1)] == [4]


def test_a_trace_is_bounded_and_repeats_count_once() -> None:
    store = TraceStore(max_spans=2)
    assert keep(store, export((1, 1), (1, 1), (1, 2), (1, 3))) == [True, True, True, False]
    trace = store.get("1".zfill(32))
    assert trace is not None
    assert (trace["span_count"], trace["dropped_spans"]) == (2, 1)


def test_the_total_size_is_bounded() -> None:
    store = TraceStore(max_bytes=20_000)
    for trace in range(1, 200):
        keep(store, export((trace, 1), name="n" * 200))
    assert 0 < len(store) < 20
    assert store.size <= 20_000
    keep(store, export(*((1_000, span) for span in range(1, 200)), name="n" * 200))
    assert (len(store), store.size) == (0, 0) or store.size <= 20_000


def test_every_part_of_a_span_is_cut() -> None:
    request = export((1, 1), name="n" * 10_000)
    span = request.resource_spans[0].scope_spans[0].spans[0]
    for number in range(500):
        span.attributes.add(key=f"k{number}").value.string_value = "v" * 10_000
        span.events.add(name="e" * 10_000, time_unix_nano=1)
        span.links.add(trace_id=b"\1" * 16, span_id=b"\1" * 8)
    (kept,) = otlp.spans(request)
    assert kept is not None
    assert len(kept.name) == 256
    assert_cut(kept.details())
    assert kept.size > 64 * otlp.MAX_TEXT


def test_what_is_kept_unread_is_cut_when_it_is_read() -> None:
    request = export((1, 1))
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.attributes.add(key="long").value.string_value = "v" * (otlp.MAX_TEXT + 1)
    for number in range(100):
        span.attributes.add(key=f"k{number}").value.string_value = "v"
        span.events.add(name="e" * 20, time_unix_nano=1)
        span.links.add(trace_id=b"\1" * 16, span_id=b"\1" * 8)
    (kept,) = otlp.spans(request)
    assert kept is not None
    assert span.ByteSize() <= otlp.MAX_UNREAD
    assert kept.size >= span.ByteSize()
    assert_cut(kept.details())
    assert kept.linked == ("01" * 16,) * otlp.MAX_LINKS


def assert_cut(details: Details) -> None:
    assert len(details.attributes) == otlp.MAX_ATTRIBUTES
    assert max(len(value) for value in details.attributes.values()) == otlp.MAX_TEXT
    assert (len(details.events), len(details.links)) == (otlp.MAX_EVENTS, otlp.MAX_LINKS)


def test_a_start_time_is_required_and_any_can_be_shown() -> None:
    store = TraceStore()
    assert keep(store, export((1, 1), start=2**64 - 10**7)) == [True]
    assert store.latest(1)[0]["start"].startswith("2554-07-21")
    assert list(otlp.spans(export((1, 1), start=0))) == [None]
