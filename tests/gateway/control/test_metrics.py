"""Merging: sums that never fall, gauges of the living, the latest exemplar, and valid text in both formats."""

from __future__ import annotations

from typing import Any

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_plain

from gateway.control.messages import FamilyMessage, parse
from gateway.control.metrics_merge import MetricsBook
from gateway.control.metrics_render import ControlMetrics

HISTOGRAM = "http_server_request_duration_seconds"


def counter(value: float, name: str = "gateway_local_replies", **labels: str) -> dict[str, Any]:
    return {"name": name, "type": "counter", "help": "Replies.", "samples": [[f"{name}_total", labels, value, None]]}


def gauge(value: float) -> dict[str, Any]:
    name = "http_server_active_requests"
    return {"name": name, "type": "gauge", "help": "Now.", "samples": [[name, {}, value, None]]}


def histogram(low: float, high: float, exemplar: dict[str, Any] | None = None) -> dict[str, Any]:
    labels = {"http_route": "orders"}
    samples = [
        [f"{HISTOGRAM}_bucket", {**labels, "le": "0.1"}, low, exemplar],
        [f"{HISTOGRAM}_bucket", {**labels, "le": "+Inf"}, low + high, None],
        [f"{HISTOGRAM}_count", labels, low + high, None],
        [f"{HISTOGRAM}_sum", labels, 0.05 * low + 1.0 * high, None],
    ]
    return {"name": HISTOGRAM, "type": "histogram", "help": "Time.", "unit": "seconds", "samples": samples}


def families(*documents: dict[str, Any]) -> list[FamilyMessage]:
    return [FamilyMessage.model_validate(document) for document in documents]


def value(book: MetricsBook, name: str, **labels: str) -> float | None:
    text, _ = ControlMetrics(book).render("")
    for family in parse_plain(text.decode()):
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return float(sample.value)
    return None


def two_workers() -> MetricsBook:
    book = MetricsBook()
    for name, pid, amount in (("gateway-1", 1, 3.0), ("gateway-2", 2, 4.0)):
        book.hello(name, pid)
        book.stats(name, families(counter(amount, reason="no_route"), gauge(amount), histogram(amount, 1)))
    return book


def test_counters_gauges_and_histograms_are_summed() -> None:
    book = two_workers()
    assert value(book, "gateway_local_replies_total", reason="no_route") == 7
    assert value(book, "http_server_active_requests") == 7
    assert value(book, f"{HISTOGRAM}_bucket", http_route="orders", le="0.1") == 7
    assert value(book, f"{HISTOGRAM}_bucket", http_route="orders", le="+Inf") == 9
    assert value(book, f"{HISTOGRAM}_count", http_route="orders") == 9


def test_a_dead_workers_counts_stay_and_its_gauges_go() -> None:
    book = two_workers()
    book.gone("gateway-2", 2)
    assert value(book, "gateway_local_replies_total", reason="no_route") == 7
    assert value(book, "http_server_active_requests") == 3
    book.hello("gateway-2", 22)
    book.stats("gateway-2", families(counter(1.0, reason="no_route"), gauge(10)))
    assert value(book, "gateway_local_replies_total", reason="no_route") == 8
    assert value(book, "http_server_active_requests") == 13
    assert value(book, f"{HISTOGRAM}_count", http_route="orders") == 9


def test_a_worker_that_comes_back_is_not_counted_twice() -> None:
    book = two_workers()
    book.gone("gateway-2", 2)
    book.hello("gateway-2", 2)
    book.stats("gateway-2", families(counter(5.0, reason="no_route")))
    assert value(book, "gateway_local_replies_total", reason="no_route") == 8


def test_the_latest_exemplar_stays_and_only_openmetrics_shows_it() -> None:
    book = MetricsBook()
    for name, when, trace in (("gateway-1", 20.0, "a" * 32), ("gateway-2", 10.0, "b" * 32)):
        book.hello(name, 1)
        exemplar = {"labels": {"trace_id": trace}, "value": 0.05, "timestamp": when}
        book.stats(name, families(histogram(1, 0, exemplar)))
    metrics = ControlMetrics(book)
    text, content_type = metrics.render("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    parsed = parse_openmetrics(text.decode())  # type: ignore[no-untyped-call]
    found = [sample.exemplar for family in parsed for sample in family.samples if sample.exemplar]
    assert [one.labels for one in found] == [{"trace_id": "a" * 32}]
    plain, content_type = metrics.render("text/plain")
    assert content_type.startswith("text/plain; version=0.0.4")
    assert b"trace_id" not in plain


def test_families_that_disagree_or_belong_to_control_are_left_out() -> None:
    book = MetricsBook()
    book.hello("gateway-1", 1)
    book.hello("gateway-2", 2)
    book.stats("gateway-1", families(counter(1, "odd"), counter(99, "gateway_config_reloads", result="accepted")))
    other = {"name": "odd", "type": "gauge", "samples": [["odd", {}, 5, None]]}
    book.stats("gateway-2", families(other))
    assert value(book, "odd_total") == 1
    assert value(book, "gateway_config_reloads_total", result="accepted") is None


async def test_over_http_with_two_workers(instance: Any) -> None:
    for number in (1, 2):
        worker = await instance.worker(f"gateway-{number}", number)
        hostile = counter(2, reason='a"b\nc\\d')
        worker.send(type="stats", families=[hostile, histogram(1, 1)], clusters={}, rss_bytes=5)
    await instance.until(lambda: all(one.rss_bytes for one in instance.plane.channel.workers))
    async with instance.http.get(instance.url + "/metrics") as response:
        assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        text = await response.text()
    samples = {sample.name: sample for family in parse_plain(text) for sample in family.samples}
    assert samples["gateway_local_replies_total"].value == 4
    assert samples["gateway_local_replies_total"].labels == {"reason": 'a"b\nc\\d'}
    assert samples["gateway_control_workers"].value == 2
    async with instance.http.get(
        instance.url + "/metrics", headers={"Accept": "application/openmetrics-text"}
    ) as response:
        assert (await response.text()).endswith("# EOF\n")


def test_a_message_is_checked_before_it_is_merged() -> None:
    good = b'{"type":"stats","families":[{"name":"a","type":"gauge","samples":[["a",{},1,null]]}]}'
    assert parse(good).type == "stats"
    for bad in (good.replace(b'"a",{}', b'"a b",{}'), good.replace(b"{},1", b'{"le\\n":"1"},1'), good[:-2]):
        try:
            parse(bad)
        except ValueError:
            continue
        raise AssertionError(bad)
