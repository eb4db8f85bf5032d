"""The Prometheus of `gatehouse up --prometheus`: it finds every process, judges, and knows what each dashboard asks."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.integration.mesh.conftest import wait

BOARDS = sorted((Path(__file__).parents[3] / "dashboards" / "grafana" / "dashboards").glob("*.json"))
WITHIN = 150.0
"""Seconds: three scrapes and two evaluations are nine, on a machine that has nothing else to do."""
pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.skipif(
        not shutil.which("prometheus"),
        reason="prometheus is not here (Debian: apt install prometheus): alerts and dashboards are not tried with it",
    ),
]


class Prometheus:
    """The one that runs beside the mesh."""

    def __init__(self, mesh: Any) -> None:
        self.shop, self.port = mesh.shop, mesh.shop.ports["prometheus"]

    def asked(self, path: str, **parameters: Any) -> Any:
        """The data of an answer of its interface."""
        answer = self.shop.send("GET", f"/api/v1/{path}?{urlencode(parameters)}", port=self.port)
        assert answer.status == 200, answer.body
        return answer.json()["data"]

    def values(self, query: str) -> list[float]:
        """What a query gives, without what is not a number (a quantile of nothing)."""
        found = [float(one["value"][1]) for one in self.asked("query", query=query)["result"]]
        return [one for one in found if not math.isnan(one)]


def logged_in(mesh: Any) -> str | None:
    """Alice's token, as soon as the whole way to identity answers in time."""
    right = {"username": "alice", "password": mesh.shop.secrets["users"]["alice"]}
    answer = mesh.shop.send("POST", "/auth/login", json=right)
    assert answer.status in (200, 502, 503, 504), answer
    return answer.json()["access_token"] if answer.status == 200 else None


@pytest.fixture(scope="module")
def prometheus(mesh: Any) -> Iterator[Prometheus]:
    """With gentle traffic, and something of each kind that dashboards show."""
    mesh.shop.gatehouse("traffic", "start")
    wait(lambda: mesh.shop.send("GET", "/products/1").status == 200, WITHIN)  # on a busy machine it has to warm up
    alice = wait(lambda: logged_in(mesh), WITHIN)
    assert mesh.shop.send("GET", "/orders/1002", token=alice).status == 403
    assert mesh.shop.send("GET", "/orders").status == 401
    wrong = {"username": "alice", "password": "wrong"}
    assert mesh.shop.send("POST", "/auth/login", json=wrong).status == 401
    yield Prometheus(mesh)
    mesh.shop.gatehouse("traffic", "stop")


def test_it_finds_every_process_that_tells_numbers(prometheus: Prometheus, mesh: Any, until: Any) -> None:
    def up() -> set[str]:
        active = prometheus.asked("targets", state="active")["activeTargets"]
        return {one["labels"]["instance"] for one in active if one["health"] == "up"}

    rows = mesh.shop.processes().items()
    services = {name for name, row in rows if row["kind"] == "service" and row["port"] and row["state"] == "running"}
    until(lambda: up() == {"gateway", "sidecars", "prometheus", *(f"{name}-1" for name in services)}, WITHIN)


@pytest.mark.parametrize("file", BOARDS, ids=lambda file: file.stem)
def test_each_panel_shows_something(file: Path, prometheus: Prometheus, until: Any) -> None:
    for panel in json.loads(file.read_text())["panels"]:
        for target in panel.get("targets", ()):
            query = target["expr"].replace("$service", ".*")
            assert until(lambda asked=query: prometheus.values(asked), WITHIN), (panel["title"], query)


def test_a_dot_leads_to_its_trace(prometheus: Prometheus, mesh: Any, until: Any) -> None:
    def traced() -> list[str]:
        query = 'http_server_request_duration_seconds_bucket{job="gateway"}'
        (now,) = prometheus.asked("query", query="vector(time())")["result"]
        found = prometheus.asked("query_exemplars", query=query, start=now["value"][0] - 300, end=now["value"][0])
        return [dot["labels"]["trace_id"] for series in found for dot in series["exemplars"]]

    def known() -> bool:
        return any(mesh.shop.admin("GET", f"/traces/{trace_id}").status == 200 for trace_id in traced()[-20:])

    assert until(known, WITHIN)


def test_an_alert_fires_and_ends_and_is_told_everywhere(prometheus: Prometheus, mesh: Any, until: Any) -> None:
    def told() -> dict[str, Any]:
        return {one["name"]: one for one in mesh.shop.admin("GET", "/alerts").json()["alerts"]}

    until(lambda: mesh.shop.admin("GET", "/alerts").json()["evaluated"], WITHIN)
    before = mesh.shop.config.read_text()
    try:
        mesh.shop.config.write_text(before + "\nno_such_key: 1\n")
        refused = until(lambda: told().get("ConfigurationRefused"), WITHIN)
        assert (refused["state"], refused["severity"]) == ("firing", "ticket")
        # On a busy machine a scrape may come too late, and the alert be away for a moment.
        until(lambda: "ConfigurationRefused" in mesh.shop.gatehouse("top", "--once"), WITHIN)
        until(lambda: "firing: gatehouse alerts" in mesh.shop.gatehouse("ps"), WITHIN)
    finally:
        mesh.shop.config.write_text(before)
    until(lambda: "ConfigurationRefused" not in told(), WITHIN)
