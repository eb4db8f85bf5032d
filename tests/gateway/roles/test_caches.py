"""What a worker tells of its caches, forgets on demand, and says of a request beforehand and afterwards."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.roles.caches import caches, purge
from gateway.roles.explain import explain

ANSWER = b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 2\r\n\r\nok"
ASK = b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def config(address: str) -> str:
    return f"""
listeners: [{{name: public, port: 0}}]
clusters: [{{name: shop, endpoints: ["{address}"]}}]
caches: [{{name: main}}, {{name: other}}]
routes:
  - {{name: all, public: true, backendRefs: [{{cluster: shop}}], filters: [{{type: Cache, cache: main}}]}}
"""


async def words(running: Any, *headers: tuple[str, str], method: str = "GET", target: str = "/x") -> tuple[str, str]:
    asked = {"method": method, "target": target, "host": "a", "headers": headers}
    told = await explain(running.worker.snapshot, asked)
    return told["outcome"], told["steps"][0]["detail"]


async def test_told_and_forgotten(gateway: Any, upstream: Any) -> None:
    shop = await upstream(ANSWER)
    running = await gateway(config(shop.address))
    await running.raw(ASK)
    told = {one["name"]: one["entries"] for one in caches(running.worker.snapshot)["caches"]}
    assert told == {"main": 1, "other": 0}
    assert purge(running.worker.snapshot, {"cache": "other", "path": None}) == {"purged": 0}
    assert purge(running.worker.snapshot, {"cache": None, "path": "/x"}) == {"purged": 1}
    await running.raw(ASK)
    assert len(shop.seen) == 2
    with pytest.raises(ValueError, match="no cache"):
        purge(running.worker.snapshot, {"cache": "none", "path": None})


async def test_what_is_being_fetched_at_a_purge_is_not_kept(gateway: Any, upstream: Any) -> None:
    asked, go = asyncio.Event(), asyncio.Event()

    async def slow(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await go.wait()
        writer.write(ANSWER)

    shop = await upstream(slow)
    running = await gateway(config(shop.address))
    fetching = asyncio.create_task(running.raw(ASK))
    await asked.wait()
    purge(running.worker.snapshot, {"cache": None, "path": None})
    go.set()
    assert (await fetching).endswith(b"ok")
    assert caches(running.worker.snapshot)["caches"][0]["entries"] == 0


async def test_explained_beforehand_without_consequences(gateway: Any, upstream: Any) -> None:
    shop = await upstream(ANSWER)
    running = await gateway(config(shop.address))
    assert await words(running) == ("forward", "nothing is kept for it in main")
    await running.raw(ASK)
    outcome, detail = await words(running)
    assert outcome == "local_reply"
    assert detail.startswith("kept for 0 s, fresh for ")
    assert await words(running, ("Range", "bytes=0-1")) == ("forward", "passes by: range")
    assert await words(running, method="POST") == ("forward", "passes by: method")
    assert await words(running, ("Cache-Control", "only-if-cached"), target="/y") == (
        "deny",
        "nothing is kept for it in main",
    )
    zone = running.worker.snapshot.caches["main"]
    assert [one.hits for one in zone] == [0]
    assert running.total("gateway_cache_requests_total") == 1
    assert len(shop.seen) == 1


async def test_explained_afterwards(gateway: Any, upstream: Any) -> None:
    shop = await upstream(ANSWER)
    running = await gateway(config(shop.address))
    running.worker.watched = True
    await running.raw(ASK.replace(b"\r\n\r\n", b"\r\nCache-Control: only-if-cached\r\n\r\n"))
    await running.raw(ASK)
    past = running.worker.past.take()
    assert past is not None
    assert past["explanations"][0] is not None
    (record,) = [one for one in running.worker.recent if one["status"] == 200]
    assert record["decided_by"] == "shop"
    await running.raw(ASK)
    assert running.worker.recent[-1]["decided_by"] == "gateway"
    assert running.worker.recent[-1]["reason"] == ""
