"""Clusters in a whole gateway: endpoints on real sockets that go bad and come back, slow down, and are replaced."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.upstream.cluster import Cluster
from tests.waiting import until

HEAD = "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: {connection}\r\n\r\n"


class Service:
    """An endpoint whose ways a test changes while it runs; it says its name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.status = 200
        self.health = 200
        self.closes = False
        """Whether it closes a kept connection when the next request comes."""
        self.served: set[asyncio.StreamWriter] = set()
        self.go = asyncio.Event()
        self.go.set()
        self.requests = self.checks = self.checking = self.most_checking = 0
        self.up: Any = None

    @property
    def address(self) -> str:
        return str(self.up.address)

    async def __call__(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.up.seen.pop().startswith(b"GET /healthz"):
            await self.checked(writer)
            return
        if self.closes and writer in self.served:
            writer.transport.abort()
            return
        self.served.add(writer)
        self.requests += 1
        await self.go.wait()
        body = self.name.encode()
        writer.write(HEAD.format(status=self.status, length=len(body), connection="keep-alive").encode() + body)

    async def checked(self, writer: asyncio.StreamWriter) -> None:
        self.checks += 1
        self.checking += 1
        self.most_checking = max(self.checking, self.most_checking)
        try:
            await self.go.wait()
            writer.write(HEAD.format(status=self.health, length=0, connection="close").encode())
            await writer.drain()
        finally:
            self.checking -= 1


@pytest.fixture
async def services(upstream: Any) -> AsyncIterator[list[Service]]:
    found = [Service(name) for name in "abc"]
    for one in found:
        one.up = await upstream(one)
    yield found
    for one in found:
        one.go.set()


def config(addresses: list[str], cluster: str = "", route: str = "", other: str = "") -> str:
    listed = ", ".join(f'"{one}"' for one in addresses)
    return f"""
listeners: [{{name: public, port: 0}}]
clusters:
  - {{name: shop, endpoints: [{listed}]{cluster}}}
  - {{name: other, endpoints: ["{other or addresses[0]}"]}}
routes:
  - {{name: all, public: true, backendRefs: [{{cluster: shop}}]{route}}}
  - {{name: other, public: true, backendRefs: [{{cluster: other}}], matches: [{{path: {{value: /other}}}}]}}
"""


class Client:
    """A kept connection of a client."""

    def __init__(self, running: Any) -> None:
        self._port = running.ports["public"]
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str = "/", *lines: str) -> tuple[int, str, str]:
        """Status, body, and the head."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write("\r\n".join([f"GET {path} HTTP/1.1", "Host: a", *lines, "", ""]).encode())
        head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).decode("latin-1")
        length = re.search(r"content-length: (\d+)", head)
        assert length is not None
        body = await asyncio.wait_for(reader.readexactly(int(length[1])), 5)
        return int(head.split()[1]), body.decode(), head

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()


@pytest.fixture
async def client() -> Any:
    made: list[Client] = []

    def make(running: Any) -> Client:
        made.append(Client(running))
        return made[-1]

    yield make
    for one in made:
        one.close()


async def load(make: Any, running: Any, clients: int, each: int, *, path: str = "/") -> Counter[tuple[int, str]]:
    """So many clients at once, each with so many requests one after the other; statuses and who answered."""
    found: Counter[tuple[int, str]] = Counter()

    async def one() -> None:
        mine = make(running)
        for _ in range(each):
            status, body, _ = await mine.get(path)
            found[status, body if len(body) == 1 else json.loads(body)["reason"]] += 1
        mine.close()

    await asyncio.gather(*(one() for _ in range(clients)))
    return found


def shop(running: Any) -> Cluster:
    return running.worker.snapshot.clusters["shop"]  # type: ignore[no-any-return]


OUTLIERS = ", outlierDetection: {baseEjectionTime: 300ms}"


async def test_an_endpoint_that_answers_500_breaks_few_requests_and_comes_back(
    gateway: Any, services: list[Service], client: Any
) -> None:
    running = await gateway(config([one.address for one in services], OUTLIERS + ", loadBalancing: round_robin"))
    assert set(await load(client, running, 10, 9)) == {(200, "a"), (200, "b"), (200, "c")}
    bad = services[1]
    bad.status = 503
    found = await load(client, running, 10, 60)
    failed = found[503, "b"]
    assert 5 <= failed <= 5 + 10  # five in a row, and what was under way by then, of 600
    assert sum(found.values()) == 600
    assert running.total("gateway_outlier_ejections_total", gateway_cluster="shop") >= 1
    bad.status = 200
    await until(lambda: shop(running).endpoints[1].usable)
    found = await load(client, running, 10, 30)
    assert {status for status, _ in found} == {200}
    assert found[200, "b"] == 100


async def test_without_detection_a_third_goes_on_breaking(gateway: Any, services: list[Service], client: Any) -> None:
    running = await gateway(config([one.address for one in services], ", loadBalancing: round_robin"))
    services[1].status = 500
    found = await load(client, running, 5, 30)
    assert found[500, "b"] == 50


async def test_an_endpoint_that_is_gone_is_ejected(
    gateway: Any, services: list[Service], client: Any, unused_tcp_port: int
) -> None:
    addresses = [services[0].address, f"127.0.0.1:{unused_tcp_port}"]
    running = await gateway(config(addresses, ", outlierDetection: {}, loadBalancing: round_robin"))
    found = await load(client, running, 1, 60)
    assert found == {(503, "upstream_connect_failure"): 5, (200, "a"): 55}


async def test_one_that_does_not_answer_is_ejected(gateway: Any, services: list[Service], client: Any) -> None:
    text = config(
        [services[0].address, services[1].address],
        ", outlierDetection: {consecutive5xx: 2}, loadBalancing: round_robin",
        ", timeouts: {backendRequest: 50ms}",
    )
    running = await gateway(text)
    services[1].go.clear()
    found = await load(client, running, 1, 20)
    assert found == {(504, "upstream_timeout"): 2, (200, "a"): 18}


async def test_kept_connections_that_close_are_nobodys_fault(
    gateway: Any, services: list[Service], client: Any
) -> None:
    services[0].closes = True
    running = await gateway(config([services[0].address], OUTLIERS))
    mine = client(running)
    for _ in range(10):
        assert (await mine.get())[0] == 200
    assert running.total("gateway_stale_connection_retries_total") == 9
    outlier = shop(running).endpoints[0].outlier
    assert outlier is not None
    assert (outlier.requests, outlier.successes) == (10, 10)


async def test_an_upload_that_takes_too_long_is_nobodys_fault(gateway: Any, services: list[Service]) -> None:
    text = config([services[0].address], OUTLIERS + ", panicThreshold: 0", ", timeouts: {request: 50ms}")
    running = await gateway(text)
    services[0].go.clear()
    for _ in range(6):
        answer = await running.raw(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\nConnection: close\r\n\r\nhalf")
        assert answer.startswith(b"HTTP/1.1 504")
    assert shop(running).endpoints[0].usable
    for _ in range(5):
        assert (await running.raw(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).startswith(
            b"HTTP/1.1 504"
        )
    refused = await running.raw(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert refused.startswith(b"HTTP/1.1 503")
    assert b"no_healthy_endpoint" in refused


# -- bulkheads ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bounds", "held", "threshold"),
    [(", maxRequests: 4", 4, "requests"), (", maxConnections: 3, maxPending: 2", 5, "pending")],
)
async def test_a_slow_cluster_does_not_take_the_others(
    gateway: Any, services: list[Service], client: Any, bounds: str, held: int, threshold: str
) -> None:
    slow, fast = services[:2]
    running = await gateway(config([slow.address], bounds, other=fast.address))
    slow.go.clear()
    waiting = asyncio.create_task(load(client, running, 30, 1))
    await until(lambda: running.total("gateway_cluster_overflows_total", threshold=threshold) == 30 - held)
    assert running.worker.busy() == held
    assert await load(client, running, 10, 20, path="/other") == {(200, "b"): 200}
    view = running.worker.cluster_view()["shop"]
    assert threshold in view["open_circuits"]
    assert running.total("gateway_cluster_circuit_open", gateway_cluster="shop", threshold=threshold) == 1
    slow.go.set()
    assert await waiting == {(200, "a"): held, (503, "upstream_overflow"): 30 - held}
    await until(lambda: running.worker.cluster_view()["shop"]["open_circuits"] == [])
    assert await load(client, running, 1, 5) == {(200, "a"): 5}


# -- health checks -----------------------------------------------------------------------------------------------

CHECKS = ", loadBalancing: round_robin, healthCheck: {path: /healthz, interval: 20ms, timeout: 100ms"


async def test_an_unhealthy_endpoint_gets_nothing_until_it_is_well(
    gateway: Any, services: list[Service], client: Any
) -> None:
    running = await gateway(config([one.address for one in services], CHECKS + "}"))
    await until(lambda: all(one.checks > 2 for one in services))
    await load(client, running, 3, 3)
    assert all(endpoint.idle for endpoint in shop(running).endpoints)
    ill = services[2]
    ill.health = ill.status = 503
    endpoint = shop(running).endpoints[2]
    await until(lambda: not endpoint.usable)
    assert endpoint.state(0.0) == ("unhealthy", "health check: status 503")
    assert endpoint.idle == []
    found = await load(client, running, 10, 30)
    assert set(found) == {(200, "a"), (200, "b")}
    assert running.total("gateway_endpoint_healthy", gateway_cluster="shop") == 2
    assert running.total("gateway_health_checks_total", gateway_cluster="shop", result="status") >= 3
    ill.health = ill.status = 200
    await until(lambda: endpoint.usable)
    assert set(await load(client, running, 10, 30)) == {(200, "a"), (200, "b"), (200, "c")}


async def test_checks_never_overlap_and_end_with_the_cluster(gateway: Any, services: list[Service]) -> None:
    addresses = [services[0].address, services[1].address]
    running = await gateway(config(addresses, CHECKS + "}"))
    services[0].go.clear()
    cluster = shop(running)
    await until(lambda: not cluster.endpoints[0].usable)
    assert cluster.health is not None
    of_the_first = cluster.health._tasks[cluster.endpoints[0]]
    assert cluster.endpoints[0].state(0.0) == ("unhealthy", "health check: no answer within 0.1 s")
    running.apply(config([services[1].address, services[2].address], CHECKS + "}"))
    assert shop(running) is cluster
    await until(lambda: services[2].checks > 2)
    assert of_the_first.cancelled()
    assert {one.address for one in cluster.health._tasks} == {services[1].address, services[2].address}
    tasks = list(cluster.health._tasks.values())
    running.apply(config([services[1].address], ", maxPending: 7"), version=3)
    assert shop(running) is not cluster
    await asyncio.gather(*tasks, return_exceptions=True)
    assert all(task.cancelled() for task in tasks)
    assert max(one.most_checking for one in services[1:]) == 1


async def test_a_good_check_ends_an_ejection(gateway: Any, services: list[Service], client: Any) -> None:
    addresses = [services[0].address, services[1].address]
    running = await gateway(config(addresses, CHECKS + "}, outlierDetection: {baseEjectionTime: 300s}"))
    services[1].health = services[1].status = 500
    await until(lambda: shop(running).endpoints[1].health is not None and not shop(running).endpoints[1].usable)
    endpoint = shop(running).endpoints[1]
    assert shop(running).outliers is not None
    for _ in range(5):
        shop(running).outliers.result(endpoint, 500, "")  # type: ignore[union-attr]
    assert endpoint.outlier is not None
    assert endpoint.outlier.until
    services[1].health = services[1].status = 200
    await until(lambda: endpoint.usable)
    assert set(await load(client, running, 2, 10)) == {(200, "a"), (200, "b")}


# -- sticky sessions ---------------------------------------------------------------------------------------------

COOKIE = re.compile(r"set-cookie: (\S+?)=([\w-]{22}); Path=/; HttpOnly; SameSite=Lax\r\n")


async def test_a_client_stays_with_its_endpoint_while_that_is_well(
    gateway: Any, services: list[Service], client: Any
) -> None:
    addresses = [one.address for one in services]
    running = await gateway(config(addresses, ", loadBalancing: round_robin", ", sessionPersistence: {}"))
    mine = client(running)
    _, name, head = await mine.get()
    told = COOKIE.search(head)
    assert told is not None
    assert told[1] == "gatehouse-all"
    cookie = f"Cookie: x=1; {told[1]}={told[2]}"
    for _ in range(10):
        status, body, head = await mine.get("/", cookie)
        assert (status, body) == (200, name)
        assert "set-cookie" not in head
    values = {COOKIE.search((await mine.get())[2])[2] for _ in range(6)}  # type: ignore[index]
    assert len(values) == 3
    assert not any(one.encode() in value.encode() for one in addresses for value in values)

    place = next(place for place, one in enumerate(services) if one.name == name)
    shop(running).endpoints[place].usable = False
    shop(running)._choose_anew()
    status, other, head = await mine.get("/", cookie)
    assert (status, other != name) == (200, True)
    moved = COOKIE.search(head)
    assert moved is not None
    assert (await mine.get("/", f"Cookie: {moved[1]}={moved[2]}"))[1] == other


async def test_a_made_up_cookie_counts_for_nothing(gateway: Any, services: list[Service], client: Any) -> None:
    route = ", sessionPersistence: {sessionName: cart, absoluteTimeout: 1h, cookieConfig: {lifetimeType: Permanent}}"
    running = await gateway(config([one.address for one in services], route=route))
    _, _, head = await client(running).get("/", f"Cookie: cart={services[0].address}")
    assert re.search(r"set-cookie: cart=[\w-]{22}; Path=/; HttpOnly; SameSite=Lax; Max-Age=3600\r\n", head)


async def test_a_session_survives_a_reload_and_a_restart(gateway: Any, services: list[Service], client: Any) -> None:
    text = config([one.address for one in services], route=", sessionPersistence: {}")
    running = await gateway(text)
    _, name, head = await client(running).get()
    told = COOKIE.search(head)
    assert told is not None
    cookie = f"Cookie: {told[1]}={told[2]}"
    running.apply(
        config([services[2].address, services[1].address, services[0].address], route=", sessionPersistence: {}")
    )
    assert {(await client(running).get("/", cookie))[1] for _ in range(6)} == {name}


async def test_a_session_holds_across_the_clusters_of_a_route(
    gateway: Any, services: list[Service], client: Any
) -> None:
    text = config([services[0].address], route=", sessionPersistence: {}", other=services[1].address)
    running = await gateway(
        text.replace("backendRefs: [{cluster: shop}]", "backendRefs: [{cluster: shop}, {cluster: other}]")
    )
    mine = client(running)
    for _ in range(4):
        _, name, head = await mine.get()
        told = COOKIE.search(head)
        assert told is not None
        assert {(await mine.get("/", f"Cookie: {told[1]}={told[2]}"))[1] for _ in range(8)} == {name}


# -- reloads -----------------------------------------------------------------------------------------------------


async def test_an_endpoint_that_leaves_ends_its_work_and_the_others_keep_their_connections(
    gateway: Any, services: list[Service], client: Any
) -> None:
    running = await gateway(config([services[0].address, services[1].address], ", loadBalancing: round_robin"))
    await load(client, running, 4, 4)
    cluster = shop(running)
    first, second = cluster.endpoints
    connections = services[0].up.connections
    services[1].go.clear()
    waiting = [asyncio.create_task(load(client, running, 1, 1)) for _ in range(2)]
    await until(lambda: second.active == 1)
    running.apply(config([services[0].address, services[2].address], ", loadBalancing: round_robin"))
    assert shop(running) is cluster
    assert cluster.endpoints[0] is first
    assert second.idle == []
    found = await load(client, running, 2, 10)
    assert set(found) == {(200, "a"), (200, "c")}
    services[1].go.set()
    assert {name for task in waiting for name in await task} == {(200, "a"), (200, "b")}
    await until(lambda: second.open == 0)
    assert services[0].up.connections == connections


async def test_reloads_under_load_fail_nothing(gateway: Any, services: list[Service], client: Any) -> None:
    addresses = [one.address for one in services]
    running = await gateway(config(addresses, OUTLIERS))
    work = asyncio.create_task(load(client, running, 8, 100))
    version = 1
    while not work.done():
        version += 1
        running.apply(config(addresses[version % 3 :] or addresses[:1], OUTLIERS), version)
        await asyncio.sleep(0.005)
    assert {status for status, _ in await work} == {200}
    assert version > 3


async def test_those_that_wait_are_served_when_endpoints_change(
    gateway: Any, services: list[Service], client: Any
) -> None:
    running = await gateway(config([services[0].address], ", maxConnections: 1"))
    services[0].go.clear()
    work = asyncio.create_task(load(client, running, 3, 1))
    await until(lambda: len(shop(running).pending) == 2)
    running.apply(config([services[1].address], ", maxConnections: 1"))
    assert len(shop(running).pending) == 2  # what ends there still counts
    services[0].go.set()
    assert await work == {(200, "a"): 1, (200, "b"): 2}


async def test_a_session_with_a_canary_ends_when_that_is_taken_back(
    gateway: Any, services: list[Service], client: Any
) -> None:
    route = ", sessionPersistence: {}, canary: {cluster: other, weight: 100}"
    running = await gateway(config([services[0].address], route=route, other=services[1].address))
    mine = client(running)
    _, name, head = await mine.get()
    told = COOKIE.search(head)
    assert told is not None
    cookie = f"Cookie: {told[1]}={told[2]}"
    canary = running.worker.snapshot.canaries["all"]
    running.worker.obey({"all": {"of": canary.digest, "weight": 20, "open": True}})
    assert {(await mine.get("/", cookie))[1] for _ in range(20)} == {name} == {"b"}
    running.worker.obey({"all": {"of": canary.digest, "weight": 0, "open": False}})
    status, other, head = await mine.get("/", cookie)
    assert (status, other) == (200, "a")
    assert COOKIE.search(head)


async def test_a_second_try_stays_or_moves_as_the_first_one_failed(
    gateway: Any, services: list[Service], client: Any
) -> None:
    """A kept connection that closed says nothing against its endpoint; an answer of 503 does."""
    route = ', sessionPersistence: {}, retry: {on: ["5xx"], attempts: 1, backoff: 1ms}'
    running = await gateway(config([one.address for one in services], ", loadBalancing: round_robin", route))
    mine = client(running)
    _, name, head = await mine.get()
    told = COOKIE.search(head)
    assert told is not None
    cookie = f"Cookie: {told[1]}={told[2]}"
    service = next(one for one in services if one.name == name)
    service.closes = True
    assert [(await mine.get("/", cookie))[1] for _ in range(6)] == [name] * 6
    assert running.total("gateway_stale_connection_retries_total") == 6
    service.closes, service.status = False, 503
    status, other, head = await mine.get("/", cookie)
    assert (status, other != name) == (200, True)
    assert COOKIE.search(head)
