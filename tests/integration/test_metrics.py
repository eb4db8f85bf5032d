"""The metrics of all workers as one, in Prometheus' own format."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

pytestmark = pytest.mark.whole_system
Until = Callable[..., Any]
DURATION = "http_server_request_duration_seconds"


def test_the_gateways_requests_are_counted_by_route(shop: Any, alice: str, until: Until) -> None:
    def counts() -> list[float]:
        served = {"http_request_method": "HEAD", "http_route": "products-read", "http_response_status_code": "200"}
        nowhere = {"http_request_method": "PATCH", "http_route": "", "http_response_status_code": "404"}
        return [shop.metric(f"{DURATION}_count", **labels) for labels in (served, nowhere)]

    before = counts()
    for _ in range(3):
        assert shop.send("HEAD", "/products/1").status == 200
        assert shop.send("PATCH", "/a/path/that/must/not/be/a/label", token=alice).status == 404
    until(lambda: [now - then for now, then in zip(counts(), before, strict=True)] == [3, 3])
    text = shop.admin("GET", "/metrics").body.decode()
    assert "/a/path" not in text
    assert "alice" not in text
    assert f"{DURATION}_bucket{{" in text


def test_the_format_is_right(shop: Any) -> None:
    text = shop.admin("GET", "/metrics").body.decode()
    families = {family.name: family.type for family in prometheus(text)}
    assert families[DURATION] == "histogram"
    assert "http_server_active_requests" in families
    if promtool := shutil.which("promtool"):
        subprocess.run([promtool, "check", "metrics"], input=text, text=True, check=True, timeout=20)
    headers = {"Accept": "application/openmetrics-text; version=1.0.0"}
    answer = shop.send("GET", "/metrics", headers=headers, port=shop.ports["admin"])
    assert answer.type == "application/openmetrics-text"
    exemplars = [
        sample.exemplar
        for family in openmetrics(answer.body.decode())  # type: ignore[no-untyped-call]
        if family.name == DURATION
        for sample in family.samples
        if sample.exemplar
    ]
    assert exemplars
    assert all(len(one.labels["trace_id"]) == 32 for one in exemplars)


@pytest.mark.parametrize(
    "service", ["identity", "orders", "profiles", "storefront", "alerts", "reports", "recommendations", "payments"]
)
def test_every_service_has_its_own(shop: Any, service: str) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        answer = shop.send("GET", path, port=shop.ports[service])
        assert answer.status == 200
    families = {family.name for family in prometheus(answer.body.decode())}
    assert DURATION in families


def test_counters_survive_kill_9_of_a_worker_and_the_other_one_serves_on(shop: Any, until: Until) -> None:
    def counted() -> float:
        count: float = shop.metric(f"{DURATION}_count", http_request_method="HEAD", http_route="products-read")
        return count

    def ask(times: int) -> None:
        for _ in range(times):  # each on a connection of its own, so that both workers get some
            assert shop.send("HEAD", "/products/1").status == 200

    before = counted()
    ask(40)
    until(lambda: counted() == before + 40)
    name = until(lambda: who_answered_last(shop))
    process = shop.processes()[name]
    os.kill(process["pid"], signal.SIGKILL)
    ask(20)
    assert counted() >= before + 40
    until(lambda: (now := shop.processes()[name])["state"] == "running" and now["pid"] != process["pid"])
    until(lambda: counted() == before + 60)
    assert shop.processes()[name]["restarts"] == process["restarts"] + 1


def who_answered_last(shop: Any) -> str | None:
    """The worker that some HEAD request met: one that has something to lose."""
    records = shop.admin("GET", "/requests?limit=20").json()["requests"]
    return next((record["worker"] for record in records if record["method"] == "HEAD"), None)
