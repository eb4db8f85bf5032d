"""Limits in a real Redis, seen by clients of a whole gateway."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from gateway.roles.explain import explain
from gateway.roles.limits import limits
from tests.gateway.redis_process import RedisProcess

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CONFIG = """
listeners: [{{name: public, port: 0}}]
clusters: [{{name: shop, endpoints: ["{upstream}"]}}]
stores: [{{name: shared, address: "{redis}", timeout: {timeout}, cooldown: 60s}}]
routes:
  - name: all
    public: true
    backendRefs: [{{cluster: shop}}]
    timeouts: {{request: {deadline}}}
    filters:
      - {{type: RateLimit, name: burst, store: shared, onStoreFailure: {choice}, requests: 20, per: 10h}}
      - {{type: Quota, name: daily, store: shared, onStoreFailure: {choice}, requests: 3}}
"""


@pytest.fixture
async def start(gateway: Any, upstream: Any, redis: RedisProcess) -> Any:
    shop = await upstream(OK)

    async def run(choice: str = "fail_closed", timeout: str = "5s", deadline: str = "15s") -> Any:
        facts = {"upstream": shop.address, "redis": redis.address}
        return await gateway(CONFIG.format(**facts, choice=choice, timeout=timeout, deadline=deadline))

    return run


async def get(running: Any) -> tuple[int, dict[str, str], bytes]:
    answer = await running.raw(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    fields = [line.split(": ", 1) for line in lines]
    assert len({name.lower() for name, _ in fields}) == len(fields)  # no field twice
    return int(status.split()[1]), {name.lower(): value for name, value in fields}, body


async def test_two_workers_count_together_and_clients_are_told(start: Any) -> None:
    one, other = await start(), await start()
    answers = [await get(which) for which in (one, other, one)]
    assert [status for status, _, _ in answers] == [200, 200, 200]
    assert answers[1][1]["ratelimit-policy"] == '"burst";q=20;w=36000, "daily";q=3;w=86400'
    assert answers[1][1]["ratelimit"].startswith('"burst";r=18;t=3600, "daily";r=1;t=')
    status, fields, body = await get(other)
    problem = json.loads(body)
    assert (status, problem["reason"], problem["policy"]) == (429, "quota_exhausted", "test.yaml:12")
    assert int(fields["retry-after"]) <= 86_400
    assert fields["ratelimit"].startswith('"burst";r=17')  # what is refused costs nothing anywhere


async def test_explaining_spends_nothing(start: Any) -> None:
    running = await start()
    for _ in range(5):
        told = await explain(running.worker.snapshot, {"method": "GET", "target": "/", "listener": "public"})
        assert told["outcome"] == "forward"
        assert told["steps"][1]["detail"] == "3 of 3 left for address 127.0.0.1 in store shared"


async def test_many_at_once_share_pipelines(start: Any) -> None:
    running = await start()
    answers = await asyncio.gather(*(get(running) for _ in range(40)))
    assert sorted(status for status, _, _ in answers) == [200] * 3 + [429] * 37
    assert running.worker.snapshot.stores["shared"].pipelines < 40
    assert running.total("gateway_store_questions_total", result="answered") == 40


@pytest.mark.parametrize(("choice", "expected"), [("fail_open", 200), ("fail_closed", 503)])
async def test_a_killed_redis(start: Any, redis: RedisProcess, choice: str, expected: int) -> None:
    running = await start(choice)
    assert (await get(running))[0] == 200
    redis.kill()
    for _ in range(3):
        status, fields, body = await get(running)
        assert status == expected
        if status == 503:
            assert json.loads(body)["reason"] == "limit_store_unavailable"
            assert fields["retry-after"] == "60"
    counted = running.total("gateway_store_failure_decisions_total", store="shared", decision=choice)
    assert counted == 3 * 2  # two limits each time
    assert running.total("gateway_store_questions_total", result="unreachable") == 1
    assert running.total("gateway_store_questions_total", result="skipped") == 2


async def test_a_silent_redis_holds_a_request_no_longer_than_its_deadline(start: Any, redis: RedisProcess) -> None:
    running = await start(timeout="9s", deadline="200ms")
    redis.freeze()
    status, _, body = await asyncio.wait_for(get(running), 5)
    assert (status, json.loads(body)["reason"]) == (504, "request_timeout")
    redis.thaw()


async def test_a_store_that_is_no_longer_used_is_closed(start: Any, redis: RedisProcess) -> None:
    running = await start()
    await get(running)
    store = running.worker.snapshot.stores["shared"]
    spec = running.worker.snapshot.spec
    (unused,) = running.worker.apply(spec.model_copy(update={"stores": (), "routes": ()}), {}, 2)
    assert unused is store
    before = redis.command("INFO", "clients")["connected_clients"]
    await unused.close()
    deadline = asyncio.get_running_loop().time() + 5
    while redis.command("INFO", "clients")["connected_clients"] >= before:
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0)


async def test_what_is_in_use_is_told_by_route_and_only_what_is(start: Any) -> None:
    running = await start()
    assert await limits(running.worker.snapshot, None) == {"limits": [], "more": 0, "unused": 2}
    await get(running)
    told = await limits(running.worker.snapshot, "all")
    assert [(one["route"], one["name"], one["store"]) for one in told["limits"]] == [
        ("all", "daily", "shared"),
        ("all", "burst", "shared"),
    ]  # the fullest first
    assert told["limits"][0]["top"][0]["left"] == 2
    assert await limits(running.worker.snapshot, "another") == {"limits": [], "more": 0, "unused": 0}
