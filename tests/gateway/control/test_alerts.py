"""Alerts from a server that speaks Prometheus' interface; processes out of metrics."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families as parse

from gateway.control.alerts import MAX_ALERTS, MAX_ANSWER, Alerts
from gateway.control.settings import ControlSettings


def alert(name: str, state: str, severity: str = "page", **labels: str) -> dict[str, Any]:
    """As Prometheus tells it."""
    return {
        "labels": {"alertname": name, "severity": severity, **labels},
        "annotations": {"summary": f"{name} is so", "description": "Look there."},
        "state": state,
        "activeAt": "2026-11-27T10:00:00.5Z",
        "value": "1e+00",
    }


@pytest.fixture
async def prometheus() -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """A server that says at /api/v1/alerts whatever the dictionary holds."""
    says: dict[str, Any] = {"text": "", "status": 200}

    async def answered(_: web.Request) -> web.Response:
        return web.Response(text=says["text"], status=says["status"])

    app = web.Application()
    app.router.add_get("/api/v1/alerts", answered)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", says
    await runner.cleanup()


def answer(*found: dict[str, Any]) -> str:
    return json.dumps({"status": "success", "data": {"alerts": found}})


async def test_what_fires_comes_first_and_pages_before_tickets(prometheus: tuple[str, dict[str, Any]]) -> None:
    url, says = prometheus
    says["text"] = answer(
        alert("Soon", "pending"),
        alert("Small", "firing", "ticket", service="orders", job="services"),
        alert("Large", "firing", variant="classroom", incident="slow-database"),
    )
    alerts = Alerts(url)
    assert not alerts.view()["evaluated"]
    async with aiohttp.ClientSession() as session:
        await alerts.look(session)
    told = alerts.view()
    assert (told["evaluated"], told["why"], told["url"]) == (True, "", url)
    assert [one["name"] for one in told["alerts"]] == ["Large", "Small", "Soon"]
    assert told["alerts"][0]["incident"] == "slow-database"
    assert (told["alerts"][1]["service"], told["alerts"][1]["labels"]) == (
        "orders", {"service": "orders", "job": "services"}
    )  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[]",
        '{"data": {"alerts": [{}]}}',
        '{"data": {"alerts": null}}',
        '{"data": 7}',
        " " * (MAX_ANSWER + 9),
    ],
    ids=["text", "list", "without labels", "null", "number", "too much"],
)
async def test_an_answer_that_is_none_is_not_taken_for_all_is_well(
    prometheus: tuple[str, dict[str, Any]], text: str
) -> None:
    url, says = prometheus
    alerts = Alerts(url)
    async with aiohttp.ClientSession() as session:
        says["text"] = answer(*[alert("Many", "firing")] * (MAX_ALERTS + 1))
        await alerts.look(session)
        assert len(alerts.view()["alerts"]) == MAX_ALERTS
        says["text"] = text
        await alerts.look(session)
        assert (alerts.view()["evaluated"], alerts.view()["alerts"]) == (False, [])
        says["status"] = 503
        await alerts.look(session)
        assert "503" in alerts.view()["why"]


async def test_without_prometheus_the_admin_api_says_that_nobody_looks(instance: Any) -> None:
    told = await instance.get("/alerts")
    assert (told["evaluated"], told["alerts"], told["url"]) == (False, [], None)
    assert "gatehouse up --prometheus" in told["why"]
    assert (await instance.get("/now"))["alerts"] == told


async def test_a_prometheus_that_is_away_is_told(settings: ControlSettings) -> None:
    alerts = Alerts("http://127.0.0.1:1")
    async with aiohttp.ClientSession() as session:
        await alerts.look(session)
    assert "does not answer" in alerts.view()["why"]


async def test_processes_are_among_the_metrics(instance: Any) -> None:
    instance.plane.services.processes = [
        {"name": "redis", "kind": "redis", "state": "running", "restarts": 2, "pss_bytes": None, "rss_bytes": 9},
        {"name": "traffic", "kind": "service", "state": "stopped"},
    ]
    async with instance.http.get(f"{instance.url}/metrics") as response:
        text = await response.text()
    found = {
        (sample.name, sample.labels.get("process")): sample.value for family in parse(text) for sample in family.samples
    }
    assert found["gateway_process_running", "redis"] == 1
    assert found["gateway_process_running", "traffic"] == 0
    assert found["gateway_process_restarts_total", "redis"] == 2
    assert found["gateway_process_memory_bytes", "redis"] == 9
    assert ("gateway_process_memory_bytes", "traffic") not in found
    assert found["gateway_config_overridden", None] == 0
