"""Services: processes from a supervisor's socket, numbers from their own metrics, actions passed on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gateway.control.services import MAX_SCRAPE, Services, scrape, tallied
from gateway.control.settings import ControlSettings, Service
from gateway.control.supervisor_client import SupervisorClient, SupervisorError

TEXT = """\
# TYPE http_server_request_duration_seconds histogram
http_server_request_duration_seconds_bucket{http_response_status_code="200",le="0.1"} 6
http_server_request_duration_seconds_bucket{http_response_status_code="200",le="+Inf"} 8
http_server_request_duration_seconds_count{http_response_status_code="200"} 8
http_server_request_duration_seconds_sum{http_response_status_code="200"} 2
http_server_request_duration_seconds_count{http_response_status_code="500"} 2
"""


@pytest.fixture
async def service() -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """A service whose `/metrics` says whatever the dictionary holds."""
    says: dict[str, Any] = {"text": TEXT, "status": 200, "headers": {}}

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text=says["text"], status=says["status"], headers=says["headers"])

    app = web.Application()
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", says
    await runner.cleanup()


def test_totals_of_a_text() -> None:
    found = tallied(TEXT, "orders").own
    assert (found.count, found.failing, found.buckets) == (10, 2, ((0.1, 6), (float("inf"), 8)))


async def test_what_cannot_be_read_is_an_error(service: tuple[str, dict[str, Any]]) -> None:
    url, says = service
    async with aiohttp.ClientSession() as session:
        assert (await scrape(session, url, "orders")).own.count == 10
        says["text"] = "no metrics {{{ at all"
        with pytest.raises(ValueError, match=r".+"):
            await scrape(session, url, "orders")
        says["text"] = "#" * (MAX_SCRAPE + 10)
        with pytest.raises(ValueError, match="more than"):
            await scrape(session, url, "orders")
        says.update(text="", status=302, headers={"Location": "http://127.0.0.1:1/"})
        assert (await scrape(session, url, "orders")).own.count == 0
        says["status"] = 500
        with pytest.raises(aiohttp.ClientError):
            await scrape(session, url, "orders")


async def test_a_service_that_is_away_is_unknown(settings: ControlSettings, supervisor: Any) -> None:
    known = (Service(name="orders", url="http://127.0.0.1:1", about="orders"),)
    services = Services(known, SupervisorClient(settings.supervisor_socket, "secret"))
    await services.look()
    async with aiohttp.ClientSession() as session:
        await services.scrape(session, known[0], "orders", "http://127.0.0.1:1")
    (view,) = services.view()
    assert (view["state"], view["pid"], view["scraped"], view["rate"]) == ("running", 5, False, 0.0)


async def test_a_silent_supervisor_is_said_to_be_so(instance: Any) -> None:
    document = await instance.get("/services")
    assert document["processes"] == []
    assert "does not answer" in document["error"]
    problem = await instance.post("/traffic", {"action": "start"}, status=503)
    assert problem["reason"] == "supervisor_refused"


async def test_actions_are_passed_on(instance: Any, supervisor: Any) -> None:
    await instance.get("/services")
    supervisor.asked.clear()
    await instance.post("/traffic", {"action": "start"})
    await instance.post("/services/traffic/restart")
    assert supervisor.asked == [{"do": "start", "name": "traffic"}, {"do": "restart", "name": "traffic"}]
    assert set(supervisor.secrets) == {instance.settings.admin_secret.get_secret_value()}
    assert (await instance.post("/services/postgres/stop", status=404))["reason"] == "no_such_service"
    assert (await instance.post("/services/traffic/kill", status=404))["reason"] == "no_such_action"
    supervisor.answer = '{"error": "no such process"}'
    assert (await instance.post("/traffic", {"action": "stop"}, status=503))["detail"] == "no such process"


@pytest.mark.parametrize("answer", ["not json", "[]", ""])
async def test_odd_answers_of_the_supervisor(settings: ControlSettings, supervisor: Any, answer: str) -> None:
    supervisor.answer = answer
    with pytest.raises(SupervisorError):
        await SupervisorClient(settings.supervisor_socket, "secret").ask(do="ps")
