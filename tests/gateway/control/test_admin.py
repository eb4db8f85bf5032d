"""The admin API's views over real HTTP, the live stream, and what holds for every answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.control import live
from gateway.control.admin import HEADERS
from gateway.control.request_log import MAX_TEXT, RequestLog
from gateway.control.views.clusters import merge_endpoints
from gateway.control.views.config import without_secrets

HOSTILE = '/orders/<img src=x onerror=alert(1)>"\u202e\r\n</script>'


def record(**more: Any) -> dict[str, Any]:
    return {"method": "GET", "path": "/orders", "status": 200, "route": "orders", **more}


async def test_routes_and_clusters(instance: Any) -> None:
    worker = await instance.worker()
    endpoint = {"address": "127.0.0.1:8102", "healthy": True, "active": 2, "idle": 1}
    clusters = {"orders": {"endpoints": [endpoint]}}
    worker.send(type="stats", families=[], clusters=clusters, rss_bytes=7)
    await instance.until(lambda: instance.plane.channel.workers[0].rss_bytes)
    (route,) = (await instance.get("/routes"))["routes"]
    assert (route["name"], route["matches"], route["public"]) == ("orders", ["/orders*"], True)
    assert route["where"] == "shop.yaml:6"
    assert route["clusters"] == [{"name": "orders", "weight": 1}]
    (cluster,) = (await instance.get("/clusters"))["clusters"]
    assert cluster["endpoints"] == [endpoint]


def test_endpoints_are_summed_and_healthy_only_if_all_say_so() -> None:
    one = {"address": "a", "healthy": True, "active": 1}
    assert merge_endpoints([[one], [{**one, "healthy": False}]])["a"] == {"address": "a", "healthy": False, "active": 2}


async def test_config_tells_everything(instance: Any) -> None:
    document = await instance.get("/config")
    assert document["spec"]["listeners"][0]["port"] == 18088
    assert document["file"].endswith("shop.yaml")
    assert [(entry["trigger"], entry["result"]) for entry in document["history"]] == [("start", "accepted")]


async def test_requests_newest_first_and_bounded(instance: Any) -> None:
    worker = await instance.worker()
    records = [record(path=f"/{number}", secret_field="x") for number in range(700)]
    worker.send(type="requests", records=records)
    await instance.until(lambda: instance.plane.request_log.seq == 700)
    found = (await instance.get("/requests?limit=500"))["requests"]
    assert [len(found), found[0]["path"], found[0]["worker"]] == [500, "/699", "gateway-1"]
    assert all("secret_field" not in one for one in found)


def test_records_are_cut() -> None:
    log = RequestLog(size=2)
    log.add("gateway-1", [record(path="x" * 10_000, reason={"deep": 1}, subject=None)])
    (kept,) = log.latest(5)
    assert len(kept["path"]) == MAX_TEXT
    assert kept["reason"] == "{'deep': 1}"
    assert "subject" not in kept


async def test_hostile_text_leaves_as_json_with_headers_that_forbid_more(instance: Any) -> None:
    worker = await instance.worker()
    worker.send(type="requests", records=[record(path=HOSTILE)])
    await instance.until(lambda: instance.plane.request_log.seq)
    async with instance.http.get(instance.url + "/requests") as response:
        assert response.content_type == "application/json"
        assert (await response.json())["requests"][0]["path"] == HOSTILE
        for name, value in HEADERS.items():
            assert response.headers[name] == value


async def test_errors_are_problems_and_tell_nothing_inside(instance: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await instance.get("/nothing", status=404))["reason"] == "not_found"
    async with instance.http.get(instance.url + "/reload") as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST")
        assert (await response.json(content_type=None))["reason"] == "method_not_allowed"
    monkeypatch.setattr(instance.plane.request_log, "latest", lambda *_: 1 / 0)
    problem = await instance.get("/requests", status=500)
    assert problem["reason"] == "internal_error"
    assert "Zero" not in json.dumps(problem)


async def test_bodies_of_actions_are_checked(instance: Any) -> None:
    headers = {"Authorization": "Bearer admin-secret-of-this-start", "Content-Type": "application/json"}
    for body, status in ((b"{", 400), (b"[]", 400), (b'{"action":"dance"}', 422), (b"x" * 300_000, 413)):
        async with instance.http.post(instance.url + "/traffic", data=body, headers=headers) as response:
            assert response.status == status, body[:20]
    form = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
    async with instance.http.post(instance.url + "/traffic", data=b'{"action":"stop"}', headers=form) as response:
        assert response.status == 415


async def next_event(response: Any) -> dict[str, Any]:
    while not (line := await response.content.readline()).startswith(b"data: "):
        assert line, "the stream ended"
    event: dict[str, Any] = json.loads(line[6:])
    return event


async def test_live_shows_rates_and_requests(instance: Any) -> None:
    worker = await instance.worker()
    labels = {"http_route": "orders", "http_response_status_code": "403"}
    name = "http_server_request_duration_seconds"

    def stats(count: int) -> dict[str, Any]:
        samples = [[f"{name}_count", labels, count, None], [f"{name}_bucket", {**labels, "le": "+Inf"}, count, None]]
        family = {"name": name, "type": "histogram", "samples": samples}
        return {"type": "stats", "families": [family], "clusters": {}, "rss_bytes": count + 1}

    plane = instance.plane
    plane.live._tick = lambda: None  # the test is the clock
    for count in (0, 10):
        worker.send(**stats(count))
        await instance.until(lambda: plane.channel.workers[0].rss_bytes == count + 1)  # noqa: B023
        plane.rates.tick(float(count))
    worker.send(type="requests", records=[record(path=HOSTILE, status=403, policy="shop.yaml:12")])
    await instance.until(lambda: plane.request_log.seq)
    async with instance.http.get(instance.url + "/live") as response:
        assert response.content_type == "text/event-stream"
        event = await next_event(response)
        assert event["total"]["rate"] == event["total"]["refused"] == 1.0
        assert event["routes"][0]["name"] == "orders"
        assert event["requests"][0]["path"] == HOSTILE
        assert event["requests"][0]["policy"] == "shop.yaml:12"
        assert event["config"]["version"] == 1
        assert event["traffic"] == "absent"
        await next_event(response)


async def test_listeners_are_few_and_end_with_the_process(instance: Any) -> None:
    one, two = instance.plane.live.listen(), instance.plane.live.listen()
    await anext(one)
    assert len(instance.plane.live._listeners) == 1
    await one.aclose()
    assert len(instance.plane.live._listeners) == 0
    await anext(two)
    for _ in range(5):
        instance.plane.live.spread(b"x")
    assert [await anext(two), await anext(two)] == [b"x", b"x"]
    instance.plane.live.spread(None)
    with pytest.raises(StopAsyncIteration):
        await anext(two)


async def test_too_many_listeners_are_told_so(instance: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MAX_LISTENERS", 0)
    assert (await instance.get("/live", status=503))["reason"] == "too_many_listeners"


def test_passwords_of_stores_are_not_shown() -> None:
    stores: list[dict[str, Any]] = [{"name": "a", "password": "s3cret"}, {"name": "b", "password": None}]
    shown = without_secrets({"stores": stores})
    assert shown["stores"] == [{"name": "a", "password": "***"}, {"name": "b", "password": None}]
    assert stores[0]["password"] == "s3cret"


def test_secrets_of_filters_are_not_shown() -> None:
    hook = {"type": "WebhookSignature", "sender": "pay", "secrets": ["whsec_a", "whsec_b"]}
    spec: dict[str, Any] = {"filters": [{"type": "RateLimit"}], "routes": [{"name": "hooks", "filters": [hook]}]}
    shown = without_secrets(spec)
    assert shown["filters"] == [{"type": "RateLimit"}]
    assert shown["routes"] == [{"name": "hooks", "filters": [hook | {"secrets": ["***", "***"]}]}]
    assert hook["secrets"][0] == "whsec_a"


async def test_what_is_known_of_a_request_may_be_nothing_yet(instance: Any) -> None:
    told = await instance.get(f"/requests/{'a' * 32}")
    assert told == {"trace_id": "a" * 32, "explanations": [], "services": [], "trace": None}
    await instance.get("/requests/nonsense", status=404)
