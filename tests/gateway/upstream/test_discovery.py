"""Endpoints by name: found, judged, refreshed, drained; and what is kept when nobody answers."""

from __future__ import annotations

import asyncio
import socket
from random import Random
from typing import Any

import pytest

from gateway.http.client import ClientConnection
from gateway.observability.registry import Counter
from gateway.spec.models import Addresses, Dns
from gateway.spec.models import Cluster as ClusterSpec
from gateway.upstream.cluster import Cluster, Unavailable
from gateway.upstream.discovery import Discovery, needs_discovery
from gateway.upstream.endpoint import Endpoint
from gateway.upstream.resolver import Listed, SystemResolver, Unresolved, addresses_of
from tests.gateway.upstream.names import Names
from tests.gateway.upstream.test_cluster import Waiter, take


class Found:
    """A cluster whose endpoints are found, and what was counted."""

    def __init__(self, names: Any, *endpoints: str, lasting: bool = True, **fields: Any) -> None:
        spec = ClusterSpec(name="api", endpoints=endpoints, **fields)
        self.results = Counter("dns", "", ("cluster", "result"))
        self.discovery = Discovery(spec, names, self.results, lasting=lasting)
        self.cluster = Cluster(spec, (), lambda: 0.0, Random(3), None, self.discovery)

    async def refresh(self) -> bool:
        return await self.discovery.refresh(self.cluster)

    def addresses(self) -> list[str]:
        return [one.address for one in self.cluster.endpoints]

    def count(self, result: str) -> float:
        samples = self.results.family()["samples"]
        return float(sum(value for _, labels, value, _ in samples if labels["result"] == result))


async def test_every_address_becomes_an_endpoint_that_keeps_its_name() -> None:
    found = Found(Names(api_example=["192.0.2.2", "192.0.2.1", "2001:db8::1"]), "api.example:8443")
    assert await found.refresh()
    assert found.addresses() == ["192.0.2.1:8443", "192.0.2.2:8443", "[2001:db8::1]:8443"]
    assert {one.authority for one in found.cluster.endpoints} == {"api.example:8443"}
    assert {one.server_name for one in found.cluster.endpoints} == {"api.example"}
    assert [one.host for one in found.cluster.endpoints] == ["192.0.2.1", "192.0.2.2", "2001:db8::1"]
    assert found.count("changed") == 1
    await found.refresh()
    assert (found.count("changed"), found.count("unchanged")) == (1, 1)


async def test_those_that_stay_keep_their_state_and_those_that_go_are_drained(upstream: Any) -> None:
    shop = await upstream(b"")
    port = shop.address.rpartition(":")[2]
    names = Names(api_example=["127.0.0.1"])
    found = Found(names, f"api.example:{port}", max_connections=5)
    await found.refresh()
    idle, gone = await take(found.cluster)
    busy, _ = await take(found.cluster)
    gone.released(idle, reusable=True)
    names.known["api.example"] = ["127.0.0.2", "127.0.0.3"]
    await found.refresh()
    assert idle.transport.is_closing()
    assert not busy.transport.is_closing()
    assert found.cluster.connections == 2  # what is in flight still counts
    stays = found.cluster.endpoints[1]
    stays.failures = 7
    names.known["api.example"] = ["127.0.0.3"]
    await found.refresh()
    assert found.cluster.endpoints == (stays,)
    gone.released(busy, reusable=True)
    assert busy.transport.is_closing()
    assert gone.idle == []
    await asyncio.sleep(0.01)
    assert found.cluster.connections == 0


@pytest.mark.parametrize("failure", [Unresolved("not_found"), Unresolved("failed"), OSError("a fault of the resolver")])
async def test_what_fails_keeps_the_last_good_addresses(failure: Exception) -> None:
    names = Names(api_example=["192.0.2.1"])
    found = Found(names, "api.example:80")
    await found.refresh()
    names.known["api.example"] = failure
    assert not await found.refresh()
    assert found.addresses() == ["192.0.2.1:80"]
    assert found.count(failure.reason if isinstance(failure, Unresolved) else "failed") == 1


async def test_an_answer_that_takes_too_long_is_none() -> None:
    names = Names(api_example=["192.0.2.1"])
    names.silent.clear()
    found = Found(names, "api.example:80", dns=Dns(timeout=0.01))
    assert not await found.refresh()
    assert found.count("timeout") == 1


async def test_what_the_policy_refuses_is_never_an_endpoint() -> None:
    names = Names(api_example=["8.8.8.8", "127.0.0.1", "::ffff:169.254.169.254"])
    found = Found(names, "api.example:80", addresses=Addresses())
    await found.refresh()
    assert found.addresses() == ["8.8.8.8:80"]
    names.known["api.example"] = ["169.254.169.254"]  # the name is turned inside (DNS rebinding)
    assert not await found.refresh()
    assert found.addresses() == ["8.8.8.8:80"]
    assert found.count("denied") == 1


async def test_a_name_that_only_leads_inside_says_so() -> None:
    found = Found(Names(api_example=["10.0.0.1"]), "api.example:80", addresses=Addresses())
    await found.refresh()
    with pytest.raises(Unavailable, match="egress_address_denied"):
        found.cluster.acquire(Waiter())


async def test_addresses_are_bounded_and_always_the_same_ones() -> None:
    every = [f"192.0.2.{last}" for last in range(1, 9)]
    names = Names(api_example=every)
    found = Found(names, "api.example:80", dns=Dns(max_addresses=2))
    await found.refresh()
    first = found.addresses()
    names.known["api.example"] = every[::-1]
    await found.refresh()
    assert found.addresses() == first
    assert len(first) == 2


async def test_requests_wait_for_the_first_answer(upstream: Any) -> None:
    shop = await upstream(b"")
    names = Names(api_example=["127.0.0.1"])
    names.silent.clear()
    found = Found(names, f"api.example:{shop.address.rpartition(':')[2]}", max_pending=2)
    found.cluster.start()
    first, second = Waiter(), Waiter()
    assert found.cluster.acquire(first) is None
    assert found.cluster.acquire(second) is None
    with pytest.raises(Unavailable, match="upstream_overflow"):
        found.cluster.acquire(Waiter())
    names.silent.set()
    for waiter in (first, second):
        given = await asyncio.wait_for(waiter.given, 5)
        assert not isinstance(given, str)
        given[0].cancel()
    found.cluster.retire()


async def test_requests_that_waited_in_vain_are_told_why() -> None:
    names = Names()
    names.silent.clear()
    found = Found(names, "nobody.example:80")
    found.cluster.start()
    waiter = Waiter()
    found.cluster.acquire(waiter)
    names.silent.set()
    assert await asyncio.wait_for(waiter.given, 5) == "dns_failure"
    with pytest.raises(Unavailable, match="dns_failure"):
        found.cluster.acquire(Waiter())
    found.cluster.retire()


async def test_a_cluster_that_retires_still_serves_those_who_wait(upstream: Any) -> None:
    shop = await upstream(b"")
    names = Names(api_example=["127.0.0.1"])
    names.silent.clear()
    found = Found(names, f"api.example:{shop.address.rpartition(':')[2]}")
    found.cluster.start()
    waiter = Waiter()
    found.cluster.acquire(waiter)
    found.cluster.retire()
    names.silent.set()
    given = await asyncio.wait_for(waiter.given, 5)
    assert isinstance(given, tuple)
    connection, endpoint = given
    endpoint.released(connection, reusable=True)
    assert connection.transport.is_closing()


async def test_it_is_asked_again_and_again_until_it_stops() -> None:
    names = Names(api_example=["192.0.2.1"])
    found = Found(names, "api.example:80", dns=Dns.model_construct(**{**dict(Dns()), "refresh": 0.001}))
    found.cluster.start()
    found.cluster.start()  # once is enough
    async with asyncio.timeout(5):
        while len(names.asked) < 3:
            await asyncio.sleep(0.001)
    found.cluster.retire()
    await asyncio.sleep(0)
    asked = len(names.asked)
    await asyncio.sleep(0.02)
    assert len(names.asked) == asked


async def test_a_reload_begins_with_what_was_known_as_far_as_it_is_allowed_now() -> None:
    found = Found(Names(api_example=["8.8.8.8", "10.0.0.1"]), "api.example:80")
    await found.refresh()
    names = Names()
    names.silent.clear()
    after = Found(names, "api.example:80", addresses=Addresses())
    after.discovery.continue_from(found.discovery)
    after.cluster.start()
    assert after.addresses() == ["8.8.8.8:80"]
    after.cluster.retire()


async def test_several_names_and_addresses_are_one_cluster() -> None:
    names = Names(a_example=["192.0.2.1"], b_example=["192.0.2.1", "192.0.2.2"])
    found = Found(names, "a.example:80", "127.0.0.1:81", "b.example:80", "localhost:82")
    await found.refresh()
    assert found.addresses() == ["192.0.2.1:80", "127.0.0.1:81", "192.0.2.2:80", "localhost:82"]
    assert names.asked == ["a.example", "b.example"]


@pytest.mark.parametrize(
    ("endpoints", "addresses", "needed"),
    [
        (("127.0.0.1:80", "localhost:80", "[::1]:80"), None, False),
        (("127.0.0.1:80", "api.example:80"), None, True),
        (("8.8.8.8:80",), Addresses(), True),
    ],
)
def test_only_names_and_policies_need_it(endpoints: tuple[str, ...], addresses: Any, needed: bool) -> None:
    assert needs_discovery(ClusterSpec(name="api", endpoints=endpoints, addresses=addresses)) is needed


async def test_listed_names_are_not_asked_about() -> None:
    names = Names(other_example=["192.0.2.9"])
    listed = Listed({"api.example": ("192.0.2.1", "2001:db8::1")}, names)
    assert list(await listed.resolve("api.example", "any")) == ["192.0.2.1", "2001:db8::1"]
    assert list(await listed.resolve("api.example", "ipv6")) == ["2001:db8::1"]
    assert list(await listed.resolve("other.example", "any")) == ["192.0.2.9"]
    assert names.asked == ["other.example"]
    with pytest.raises(Unresolved, match="not_found"):
        await Listed({"api.example": ("192.0.2.1",)}, names).resolve("api.example", "ipv6")


async def test_the_system_knows_this_machine() -> None:
    resolver = SystemResolver()
    assert "127.0.0.1" in await resolver.resolve("localhost", "ipv4")
    assert list(await resolver.resolve("127.1", "ipv4")) == ["127.0.0.1"]  # why hosts are judged by address, not text
    with pytest.raises(Unresolved, match="failed"):
        addresses_of("a" * 64 + ".example", "any")


@pytest.mark.parametrize(("code", "reason"), [(socket.EAI_NONAME, "not_found"), (socket.EAI_AGAIN, "failed")])
def test_no_such_name_and_nobody_to_ask_are_told_apart(code: int, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_: Any) -> None:
        raise socket.gaierror(code, "as the library says")

    monkeypatch.setattr(socket, "getaddrinfo", asked)
    with pytest.raises(Unresolved, match=reason):
        addresses_of("name.example", "any")


async def test_questions_to_the_system_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    answered = threading.Event()
    monkeypatch.setattr("gateway.upstream.resolver.MAX_WAITING", 2)
    monkeypatch.setattr("gateway.upstream.resolver.addresses_of", lambda *_: answered.wait(5) and ["192.0.2.1"])
    resolver = SystemResolver()
    waiting = [asyncio.create_task(resolver.resolve("slow.example", "any")) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Unresolved, match="overflow"):
        await resolver.resolve("slow.example", "any")
    answered.set()
    assert await asyncio.gather(*waiting) == [["192.0.2.1"]] * 2
    await asyncio.sleep(0)
    assert await resolver.resolve("slow.example", "any") == ["192.0.2.1"]


async def test_a_connection_on_the_way_to_an_address_that_goes_is_still_given(upstream: Any) -> None:
    shop = await upstream(b"")
    names = Names(api_example=["127.0.0.1"])
    found = Found(names, f"api.example:{shop.address.rpartition(':')[2]}")
    await found.refresh()
    waiter = Waiter()
    assert found.cluster.acquire(waiter) is None
    names.known["api.example"] = ["127.0.0.9"]
    await found.refresh()
    given: tuple[ClientConnection, Endpoint] | str = await asyncio.wait_for(waiter.given, 5)
    assert not isinstance(given, str)
    assert given[1].retired
    given[1].released(given[0], reusable=True)
    assert given[0].transport.is_closing()
