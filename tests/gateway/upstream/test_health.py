"""Health checks: what counts as well, how many answers it takes, and what is asked."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest

from gateway.observability.metrics import Metrics
from gateway.spec.endpoints import HealthCheck as Spec
from gateway.spec.models import Cluster as ClusterSpec
from gateway.spec.models import ClusterTls
from gateway.upstream.cluster import Cluster
from gateway.upstream.health import HealthChecks
from gateway.upstream.tls import UpstreamTls


def made(address: str, tls: dict[str, Any] | None = None, **fields: Any) -> tuple[Cluster, HealthChecks]:
    check = Spec(**{"path": "/up?deep=1", "timeout": 0.2, **fields})
    metrics = Metrics()
    spec = ClusterSpec(name="shop", endpoints=(address,), health_check=check, panic_threshold=0)
    upstream = UpstreamTls("shop", ClusterTls(**tls), metrics.upstream_tls_failures, time.time) if tls else None
    one = Cluster(spec, (address,), lambda: 0.0, Random(1), upstream, metrics=metrics)
    assert one.health is not None
    return one, one.health


async def check(address: str, tls: dict[str, Any] | None = None, **fields: Any) -> tuple[str, str]:
    one, checks = made(address, tls, **fields)
    return await checks._check(one.endpoints[0])


async def test_what_is_asked(upstream: Any) -> None:
    shop = await upstream(b"HTTP/1.1 204 X\r\n\r\n")
    assert await check(shop.address, expected_statuses=(200, 204), host="shop.example") == ("", "")
    assert shop.seen == [
        b"GET /up?deep=1 HTTP/1.1\r\nhost: shop.example\r\nuser-agent: gatehouse-health-check\r\n"
        b"accept: */*\r\nconnection: close\r\n\r\n"
    ]
    await check(shop.address)
    assert f"host: {shop.address}\r\n".encode() in shop.seen[1]


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", ("", "")),
        (b"HTTP/1.1 103 X\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\nbegin", ("", "")),
        (b"HTTP/1.1 302 X\r\nLocation: http://192.0.2.1/\r\nContent-Length: 0\r\n\r\n", ("status", "status 302")),
        (b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n", ("status", "status 500")),
        (b"SSH-2.0-OpenSSH\r\n\r\n", ("broken_answer", "upstream_protocol_error")),
        (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70_000 + b"\r\n\r\n", ("broken_answer", "upstream_head_too_large")),
        (b"HTTP/1.1 200 OK\r\n", ("timeout", "no answer within 0.2 s")),
    ],
)
async def test_what_is_well(upstream: Any, answer: bytes, found: tuple[str, str]) -> None:
    shop = await upstream(answer)
    assert await check(shop.address) == found


async def test_one_that_hangs_up_and_one_that_is_not_there(upstream: Any, unused_tcp_port: int) -> None:
    async def hangs_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    shop = await upstream(hangs_up)
    assert await check(shop.address) == ("broken_answer", "upstream_reset")
    assert await check(f"127.0.0.1:{unused_tcp_port}") == ("connect_failure", "no connection")


async def test_a_fault_of_ours_is_told_and_checks_go_on(upstream: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def breaks(*_: Any) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr("gateway.upstream.health.probe", breaks)
    assert await check("127.0.0.1:1") == ("fault", "the check itself failed")


@pytest.fixture
async def secure(authority: Any) -> AsyncIterator[tuple[Any, str]]:
    """An authority, and the address of a service that it has signed for."""
    known = authority()
    files = known.issue("shop", ["shop.example"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.cert, files.key)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    yield known, f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    await asyncio.sleep(0.02)


async def test_checks_go_over_the_clusters_tls(secure: tuple[Any, str]) -> None:
    known, address = secure
    assert await check(address, {"ca": str(known.file), "server_name": "shop.example"}) == ("", "")
    assert await check(address, {"ca": str(known.file), "server_name": "else.example"}) == ("tls_failure", "TLS failed")


async def test_a_stranger_is_not_well(secure: tuple[Any, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """In a mesh the certificate is good, but it is somebody else's: `admits` says no."""
    monkeypatch.setattr(UpstreamTls, "admits", lambda *_: False)
    known, address = secure
    assert await check(address, {"ca": str(known.file), "server_name": "shop.example"}) == ("tls_failure", "TLS failed")


def test_so_many_in_a_row_and_the_first_at_once() -> None:
    one, checks = made("127.0.0.1:1", unhealthy_threshold=3, healthy_threshold=2)
    (endpoint,) = one.endpoints

    def after(*results: str) -> bool:
        for why in results:
            checks.result(endpoint, why)
        return endpoint.usable

    assert after("status 500") is False  # the first one counts at once
    assert after("") is False
    assert after("status 500", "") is False  # not in a row
    endpoint.failures = 4
    assert after("") is True
    assert endpoint.state(0.0) == ("healthy", "")
    assert after("a", "b") is True
    assert after("", "a", "b") is True
    assert after("c") is False
    assert endpoint.state(0.0) == ("unhealthy", "health check: c")


async def test_it_begins_when_it_is_started_and_only_once(upstream: Any) -> None:
    shop = await upstream(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    one, checks = made(shop.address, interval=0.02)
    one.replace_endpoints([shop.address])
    assert checks._tasks == {}
    one.start()
    tasks = dict(checks._tasks)
    one.start()
    assert checks._tasks == tasks
    async with asyncio.timeout(5):
        while len(shop.seen) < 3:
            await asyncio.sleep(0.005)
    one.retire()
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    assert one.metrics.health_checks.values[("shop", "ok")] >= 3
