"""Whoever is called: which hosts and ports, how many at one time, and what is remembered of them."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest

from gateway.http.messages import Request
from gateway.observability.registry import Counter
from gateway.spec.models import Addresses, ClusterTls, Dns, Forward
from gateway.spec.models import Cluster as ClusterSpec
from gateway.upstream.cluster import Unavailable
from gateway.upstream.forward import ForwardCluster, Target
from gateway.upstream.tls import UpstreamTls
from tests.gateway.upstream.names import Names
from tests.gateway.upstream.test_cluster import Waiter

LOOPBACK = Addresses(allow=("127.0.0.0/8",))


class Asker(Waiter):
    """A waiter with a request."""

    def __init__(self, host: str, method: str = "GET") -> None:
        super().__init__()
        self.request = Request(method, "/", "", (), {}, host)


class Ways:
    """A forward cluster on a clock that only a test moves."""

    def __init__(self, names: Names, tls: bool = False, addresses: Addresses | None = LOOPBACK, **fields: Any) -> None:
        self.now = 0.0
        rest = {name: fields.pop(name) for name in ("max_connections", "max_pending") if name in fields}
        forward = Forward(**{"hosts": ("*.example",), **fields})
        spec = ClusterSpec(name="out", forward=forward, addresses=addresses, dns=Dns(retry=5.0), **rest)
        context = UpstreamTls("out", ClusterTls(), Counter("tls", "", ("a", "b")), lambda: 0.0) if tls else None
        results = Counter("dns", "", ("cluster", "result"))
        self.cluster = ForwardCluster(spec, forward, names, results, lambda: self.now, Random(3), context)

    def judge(self, host: str, method: str = "GET") -> Target | str:
        try:
            return self.cluster.judge(Request(method, "/", "", (), {}, host))
        except Unavailable as error:
            return error.reason

    async def ask(self, host: str, method: str = "GET", fresh: bool = False) -> Any:
        """The connection and endpoint, or the reason."""
        asker = Asker(host, method)
        try:
            return self.cluster.acquire(asker, fresh) or await asyncio.wait_for(asker.given, 5)
        except Unavailable as error:
            return error.reason


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("api.example", Target("api.example", 80, False)),
        ("a.b.example:443", Target("a.b.example", 443, False)),
        ("exact.test", Target("exact.test", 80, False)),
        ("sub.exact.test", "egress_host_denied"),
        ("example", "egress_host_denied"),
        ("evilexample", "egress_host_denied"),
        ("api.example.evil.test", "egress_host_denied"),
        ("api.example.", "egress_host_denied"),
        ("169.254.169.254", "egress_host_denied"),
        ("[::1]", "egress_host_denied"),
        ("localhost", "egress_host_denied"),
        ("", "egress_host_denied"),
        ("api.example@evil.test", "egress_host_denied"),
        ("api.example:22", "egress_port_denied"),
        ("api.example:0", "egress_port_denied"),
        ("api.example:99999", "egress_port_denied"),
        ("a" * 254 + ".example", "egress_host_denied"),
    ],
)
def test_host_and_port_must_be_listed(host: str, found: Any) -> None:
    assert Ways(Names(), hosts=("*.example", "exact.test")).judge(host) == found


def test_a_tunnel_has_ports_of_its_own_and_tls_another_default() -> None:
    ways = Ways(Names(), ports=(80,), tunnel_ports=(443,))
    assert ways.judge("api.example:443", "CONNECT") == Target("api.example", 443, True)
    assert ways.judge("api.example:80", "CONNECT") == "egress_port_denied"
    assert ways.judge("api.example:443") == "egress_port_denied"
    assert Ways(Names(), tls=True).judge("api.example") == Target("api.example", 443, False)


async def test_where_nothing_is_said_only_public_addresses_are_connected_to() -> None:
    ways = Ways(Names(inside_example=["127.0.0.1"], metadata_example=["169.254.169.254"]), addresses=None)
    assert await ways.ask("inside.example") == "egress_address_denied"
    assert await ways.ask("metadata.example") == "egress_address_denied"
    every = Ways(Names(**{"127_1": ["127.0.0.1"]}), addresses=None, hosts=("*",))
    assert await every.ask("127.0.0.1") == "egress_address_denied"
    assert await every.ask("[::ffff:127.0.0.1]") == "egress_address_denied"
    assert await every.ask("127.1") == "egress_address_denied"


async def test_connections_are_kept_per_host_and_tunnels_never_share_them(upstream: Any) -> None:
    shop = await upstream(b"")
    port = int(shop.address.rpartition(":")[2])
    names = Names(a_example=["127.0.0.1"], b_example=["127.0.0.1"])
    ways = Ways(names, ports=(port,), tunnel_ports=(port,))
    connection, endpoint = await ways.ask(f"a.example:{port}")
    endpoint.released(connection, reusable=True)
    assert (await ways.ask(f"a.example:{port}"))[0] is connection
    endpoint.released(connection, reusable=True)
    assert (await ways.ask(f"b.example:{port}"))[0] is not connection
    assert (await ways.ask(f"a.example:{port}", "CONNECT"))[0] is not connection
    assert names.asked == ["a.example", "b.example", "a.example"]
    ways.cluster.retire()


async def test_what_failed_is_remembered_for_a_while() -> None:
    names = Names()
    ways = Ways(names)
    for _ in range(3):
        assert await ways.ask("nobody.example") == "dns_failure"
    assert names.asked == ["nobody.example"]
    ways.now = 4.9
    assert await ways.ask("nobody.example") == "dns_failure"
    assert len(names.asked) == 1
    ways.now = 5.1
    assert await ways.ask("nobody.example") == "dns_failure"
    assert len(names.asked) == 2


async def test_names_are_bounded_and_failed_ones_go_first(upstream: Any) -> None:
    shop = await upstream(b"")
    port = int(shop.address.rpartition(":")[2])
    names = Names(a_example=["127.0.0.1"], b_example=["127.0.0.1"], c_example=["127.0.0.1"])
    ways = Ways(names, ports=(port,), max_hosts=2)
    connection, endpoint = await ways.ask(f"a.example:{port}")
    for number in range(20):
        assert await ways.ask(f"x{number}.example:{port}") == "dns_failure"
        assert len(ways.cluster._known) == 2
    other, of_b = await ways.ask(f"b.example:{port}")
    assert await ways.ask(f"c.example:{port}") == "egress_overflow"  # both are in use
    endpoint.released(connection, reusable=True)
    assert not isinstance(await ways.ask(f"c.example:{port}"), str)
    assert connection.transport.is_closing()
    of_b.released(other, reusable=True)
    ways.cluster.retire()


async def test_connections_are_bounded_over_all_hosts(upstream: Any) -> None:
    shop = await upstream(b"")
    port = int(shop.address.rpartition(":")[2])
    names = Names(a_example=["127.0.0.1"], b_example=["127.0.0.1"])
    ways = Ways(names, ports=(port,), max_connections=2)
    connection, endpoint = await ways.ask(f"a.example:{port}")
    assert not isinstance(await ways.ask(f"b.example:{port}"), str)
    assert await ways.ask(f"a.example:{port}") == "upstream_overflow"
    endpoint.released(connection, reusable=True)
    assert (await ways.ask(f"a.example:{port}"))[0] is connection
    names.silent.clear()
    waiting = [Asker(f"c{number}.example:{port}") for number in range(3)]
    for one in waiting:
        with pytest.raises(Unavailable, match="upstream_overflow"):
            ways.cluster.acquire(one)
    names.silent.set()
    ways.cluster.retire()


async def test_names_that_nobody_calls_are_let_go(upstream: Any) -> None:
    shop = await upstream(b"")
    port = int(shop.address.rpartition(":")[2])
    ways = Ways(Names(a_example=["127.0.0.1"]), ports=(port,), forget=60.0)
    connection, endpoint = await ways.ask(f"a.example:{port}")
    await ways.ask(f"nobody.example:{port}")
    ways.now = 61.0
    ways.cluster.sweep(ways.now)
    assert len(ways.cluster._known) == 1  # one is in use; the other failed, and long ago
    assert len(ways.cluster.endpoints) == 1
    endpoint.released(connection, reusable=True)
    ways.cluster.sweep(ways.now)
    assert ways.cluster._known == {}
    assert not list(ways.cluster.endpoints)
    assert connection.transport.is_closing()


async def test_one_that_no_longer_wants_is_forgotten() -> None:
    names = Names(a_example=["127.0.0.1"])
    names.silent.clear()
    ways = Ways(names)
    gone = Asker("a.example")
    assert ways.cluster.acquire(gone) is None
    ways.cluster.forget(gone)
    names.silent.set()
    await asyncio.sleep(0.01)
    assert not gone.given.done()
    ways.cluster.retire()


async def test_after_a_reload_nothing_is_kept(upstream: Any) -> None:
    """A request that a filter held up while the configuration changed still goes the old way, and leaves nothing."""
    shop = await upstream(b"")
    port = int(shop.address.rpartition(":")[2])
    names = Names(a_example=["127.0.0.1"])
    ways = Ways(names, ports=(port,))
    ways.cluster.retire()
    connection, endpoint = await ways.ask(f"a.example:{port}")
    endpoint.released(connection, reusable=True)
    assert connection.transport.is_closing()
    (known,) = ways.cluster._known.values()
    task = known.discovery._task
    assert task is not None
    async with asyncio.timeout(5):
        while not task.done():
            await asyncio.sleep(0.001)
