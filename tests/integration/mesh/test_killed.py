"""kill -9 of each part of a mesh under load: what is lost is counted, bounded, and comes back by itself."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import aiohttp
import pytest

HEALS_WITHIN = 15.0
"""Seconds from the kill to the last request that failed; a start takes 1 to 3, on a busy machine more."""
TOLD_AFTER = 2.0
"""Seconds; gateway.roles.channel.STATS_PERIOD, and what a busy machine adds."""
NEVER = frozenset({"200"})
VISIBLY = frozenset({"200", "502", "503", "504"})
"""What clients may see: an answer, or the gateway's word that there is none; never half of one, never a closed line."""


class Load:
    """Clients that ask for one thing again and again."""

    def __init__(self, url: str, token: str) -> None:
        self.url, self.token = url, token
        self.seen: Counter[str] = Counter()
        self.failed_last = 0.0

    @property
    def failed(self) -> int:
        """Requests that did not end as they should."""
        return sum(count for what, count in self.seen.items() if what != "200")

    async def run(self, clients: int, stop: asyncio.Event) -> None:
        """Until `stop`."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        time_out = aiohttp.ClientTimeout(10)

        async def ask(session: aiohttp.ClientSession) -> None:
            while not stop.is_set():
                try:
                    async with session.get(self.url, headers=headers) as answer:
                        await answer.read()
                        what = str(answer.status)
                except (aiohttp.ClientError, TimeoutError) as error:
                    what = repr(error)
                self.seen[what] += 1
                if what != "200":
                    self.failed_last = time.monotonic()
                    await asyncio.sleep(0.02)

        async with aiohttp.ClientSession(timeout=time_out) as session, asyncio.TaskGroup() as group:
            for _ in range(clients):
                group.create_task(ask(session))


@asynccontextmanager
async def under_load(shop: Any) -> AsyncIterator[dict[str, Load]]:
    """Both are asked by clients of their own: what orders serves, and the keys that identity serves."""
    loads = {
        "orders": Load(f"{shop.url}/products/1", ""),
        "identity": Load(f"{shop.url}/auth/jwks.json", ""),
    }
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        group = await stack.enter_async_context(asyncio.TaskGroup())
        for one in loads.values():
            group.create_task(one.run(2, stop))
        stack.callback(stop.set)
        yield loads


async def more(load: Load, number: int, soon: Any) -> None:
    """Wait for so many more good answers."""
    enough = load.seen["200"] + number
    await soon(lambda: load.seen["200"] >= enough, 30.0)


@pytest.mark.parametrize(
    ("process", "hit"),
    [
        ("orders-sidecar", {"orders"}),
        ("orders", {"orders"}),
        ("identity-sidecar", {"identity"}),
        ("profiles-sidecar", set()),
        ("authority", set()),
        ("control", set()),
    ],
)
async def test_what_is_killed_is_missed_by_those_who_need_it_and_comes_back(
    mesh: Any, soon: Any, process: str, hit: set[str]
) -> None:
    shop = mesh.shop
    before = {name: await settled(partial(failures, shop, name), soon) for name in hit}
    async with under_load(shop) as loads:
        for load in loads.values():
            await more(load, 50, soon)
        known = await asyncio.to_thread(lambda: shop.processes()[process])
        os.kill(known["pid"], signal.SIGKILL)
        killed = time.monotonic()
        await soon(lambda: _is_back(shop.processes()[process], known), 40.0)
        await soon(lambda: mesh.status()["ready"], 20.0)
        for load in loads.values():
            await more(load, 50, soon)
    for name, load in loads.items():
        assert set(load.seen) <= (VISIBLY if name in hit else NEVER), (name, load.seen)
        if load.failed:  # none at all, where connections waited in the socket that the supervisor holds
            assert load.failed_last - killed < HEALS_WITHIN, load.seen
    for name in hit:
        await soon(partial(_told, shop, name, before[name], loads[name]))
    if process == "orders":  # its port is its own, and closed while it is away
        assert loads["orders"].failed > 0


def failures(shop: Any, service: str) -> Counter[str]:
    """What the gateway counted that did not end as it should, by status."""
    edge = {"reporter": "source", "source": "gateway", "destination": service}
    name = "gateway_mesh_request_duration_seconds_count"
    counts = {code: shop.metric(name, **edge, http_response_status_code=code) for code in VISIBLY - NEVER}
    return Counter({code: int(count) for code, count in counts.items() if count})


def _told(shop: Any, service: str, before: Counter[str], load: Load) -> bool:
    """Whether what clients saw is what the gateway counted, no more and no less; workers tell it once a second."""
    saw = {code: count for code, count in load.seen.items() if code not in NEVER}
    return failures(shop, service) - before == Counter(saw)


async def settled(read: Callable[[], Any], soon: Any) -> Any:
    """What is read once it has been the same for longer than workers keep to themselves what they count: a second."""
    last: list[Any] = [None, 0.0]

    def look() -> bool:
        if (now := read()) != last[0]:
            last[:] = [now, time.monotonic()]
        return bool(time.monotonic() - last[1] > TOLD_AFTER)

    await soon(look)
    return last[0]


def _is_back(now: dict[str, Any], before: dict[str, Any]) -> bool:
    return now["state"] == "running" and now["pid"] not in (None, before["pid"])


async def test_a_service_without_its_sidecar_reaches_nobody_and_says_so(mesh: Any, soon: Any) -> None:
    """Through nothing else: its own port is closed to all others, and it knows no other way out."""
    shop, alice = mesh.shop, mesh.shop.token("alice")
    query = {"query": "{ me { username orders { id } } }"}
    shop.gatehouse("stop", "storefront-sidecar")
    try:
        gone = await soon(lambda: (got := shop.send("POST", "/graphql", json=query, token=alice)).status == 503 and got)
        reason = gone.json()["errors"][0]["extensions"]["reason"]
        assert reason in ("upstream_connect_failure", "no_endpoint")  # within its lease, and after that
        assert shop.send("GET", "/orders/1001", token=alice).status == 200
    finally:
        shop.gatehouse("start", "storefront-sidecar")
    await soon(lambda: shop.send("POST", "/graphql", json=query, token=alice).status == 200)


async def test_tokens_stay_good_while_no_copy_of_their_issuer_is_known(mesh: Any, soon: Any) -> None:
    """Its keys are there: that its lease has ended says nothing of what it signed."""
    shop, alice = mesh.shop, mesh.shop.token("alice")
    shop.gatehouse("stop", "identity-sidecar")
    try:
        login = {"username": "alice", "password": "x"}
        away = ("reason", "no_endpoint")
        await soon(lambda: away in shop.send("POST", "/auth/login", json=login).json().items())
        seen = {
            await asyncio.to_thread(lambda: shop.send("GET", "/orders/1001", token=alice).status) for _ in range(20)
        }
        assert seen == {200}
    finally:
        shop.gatehouse("start", "identity-sidecar")
    await soon(lambda: shop.send("GET", "/auth/jwks.json").status == 200)


async def test_everybody_serves_on_while_authority_and_control_are_away(mesh: Any, soon: Any) -> None:
    """And a sidecar that starts again without control takes up what it served last."""
    shop = mesh.shop
    shop.gatehouse("stop", "control")
    try:
        async with under_load(shop) as loads:
            await more(loads["orders"], 100, soon)
            known = await asyncio.to_thread(lambda: shop.processes()["profiles-sidecar"])
            os.kill(known["pid"], signal.SIGKILL)
            alice = await asyncio.to_thread(shop.token, "alice")
            await more(loads["identity"], 50, soon)
            await soon(lambda: shop.send("GET", "/profiles/alice", token=alice).status == 200, 30.0)
            assert set(loads["orders"].seen) == set(loads["identity"].seen) == {"200"}
    finally:
        shop.gatehouse("start", "control")
    await soon(lambda: mesh.status()["ready"], 30.0)
    shop.gatehouse("stop", "authority")
    try:
        async with under_load(shop) as loads:
            await more(loads["orders"], 100, soon)
        assert set(loads["orders"].seen) == {"200"}
    finally:
        shop.gatehouse("start", "authority")
