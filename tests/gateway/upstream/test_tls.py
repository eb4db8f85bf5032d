"""A cluster behind TLS: endpoints that prove who they are, and those that do not."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ASK = b"GET / HTTP/1.1\r\nHost: public.example\r\nConnection: close\r\n\r\n"


class Endpoint:
    """A service behind TLS; `asked` are the names that clients asked for, `clients` who they were."""

    def __init__(self) -> None:
        self.server: asyncio.Server = None  # type: ignore[assignment]  # set by the fixture
        self.asked: list[str | None] = []
        self.clients: list[Any] = []
        self.address = ""
        self.requests = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.clients.append(writer.get_extra_info("peercert"))
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.requests += 1
                writer.write(OK)
        except (asyncio.IncompleteReadError, OSError):
            writer.close()


Start = Callable[..., Awaitable[Endpoint]]


@pytest.fixture
async def tls_endpoint() -> AsyncIterator[Start]:
    """Start a service with a certificate; with `clients_of` it wants one from its clients too."""
    started: list[Endpoint] = []

    async def start(files: Any, clients_of: Any = None) -> Endpoint:
        one = Endpoint()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.cert, files.key)
        context.sni_callback = lambda _tls, name, _context: one.asked.append(name)
        if clients_of is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(clients_of.file)
        one.server = await asyncio.start_server(one.serve, "127.0.0.1", 0, ssl=context)
        one.address = f"127.0.0.1:{one.server.sockets[0].getsockname()[1]}"
        started.append(one)
        return one

    yield start
    for one in started:
        one.server.close()
    await asyncio.sleep(0.02)  # connections that the gateway just closed say good-bye


def config(address: str, tls: str) -> str:
    return f"""
    listeners: [{{name: public, port: 0}}]
    clusters: [{{name: shop, endpoints: ["{address}"], tls: {{{tls}}}}}]
    routes: [{{name: all, public: true, backendRefs: [{{cluster: shop}}]}}]
    """


def failures(one: Any, reason: str) -> float:
    return float(one.total("gateway_upstream_tls_failures_total", gateway_cluster="shop", reason=reason))


async def denied(one: Any, reason: str) -> bool:
    answer = await one.raw(ASK)
    told = answer.startswith(b"HTTP/1.1 502 ") and b'"reason":"upstream_tls_failure"' in answer
    return told and failures(one, reason) == 1


async def test_a_named_endpoint_and_kept_connections(gateway: Any, authority: Any, tls_endpoint: Start) -> None:
    ca = authority()
    shop = await tls_endpoint(ca.issue("shop", ["shop.example"]))
    one = await gateway(config(shop.address, f'ca: "{ca.file}", serverName: shop.example'))
    for _ in range(3):
        assert (await one.raw(ASK)).endswith(b"ok")
    assert shop.asked == ["shop.example"]  # one handshake for three requests
    assert shop.requests == 3


async def test_without_a_name_the_endpoint_s_address_is_looked_for(
    gateway: Any, authority: Any, tls_endpoint: Start
) -> None:
    ca = authority()
    shop = await tls_endpoint(ca.issue("shop", ["127.0.0.1"]))
    one = await gateway(config(shop.address, f'ca: "{ca.file}"'))
    assert (await one.raw(ASK)).endswith(b"ok")
    assert shop.asked == [None]  # RFC 6066 section 3: an address is no name to ask for


async def test_another_name_is_refused(gateway: Any, authority: Any, tls_endpoint: Start) -> None:
    ca = authority()
    shop = await tls_endpoint(ca.issue("shop", ["shop.example"]))
    named = await gateway(config(shop.address, f'ca: "{ca.file}", serverName: other.example'))
    assert await denied(named, "wrong_name")
    assert shop.requests == 0


async def test_another_address_is_refused(gateway: Any, authority: Any, tls_endpoint: Start) -> None:
    ca = authority()
    shop = await tls_endpoint(ca.issue("shop", ["shop.example", "192.0.2.1"]))
    one = await gateway(config(shop.address, f'ca: "{ca.file}"'))
    assert await denied(one, "wrong_name")


async def test_another_authority_is_refused(gateway: Any, authority: Any, tls_endpoint: Start) -> None:
    ca, foreign = authority(), authority("foreign")
    shop = await tls_endpoint(foreign.issue("shop", ["127.0.0.1"]))
    one = await gateway(config(shop.address, f'ca: "{ca.file}"'))
    assert await denied(one, "untrusted")


async def test_the_system_does_not_know_a_private_authority(gateway: Any, authority: Any, tls_endpoint: Start) -> None:
    shop = await tls_endpoint(authority().issue("shop", ["127.0.0.1"]))
    one = await gateway(config(shop.address, ""))
    assert await denied(one, "untrusted")


async def test_an_expired_certificate_is_refused(gateway: Any, authority: Any, tls_endpoint: Start) -> None:
    ca = authority()
    shop = await tls_endpoint(ca.issue("shop", ["127.0.0.1"], ends=timedelta(minutes=-1)))
    one = await gateway(config(shop.address, f'ca: "{ca.file}"'))
    assert await denied(one, "expired")


async def test_a_certificate_of_tomorrow_is_refused(gateway: Any, authority: Any, tls_endpoint: Start) -> None:
    ca = authority()
    shop = await tls_endpoint(ca.issue("shop", ["127.0.0.1"], begins=timedelta(hours=1)))
    one = await gateway(config(shop.address, f'ca: "{ca.file}"'))
    assert await denied(one, "not_yet_valid")


async def test_an_endpoint_without_tls(gateway: Any, authority: Any) -> None:
    def answer_at_once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        writer.close()

    server = await asyncio.start_server(answer_at_once, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    one = await gateway(config(address, f'ca: "{authority().file}"'))
    assert await denied(one, "protocol_error")
    server.close()


async def test_nobody_there_is_no_failure_of_tls(gateway: Any, authority: Any) -> None:
    one = await gateway(config("127.0.0.1:1", f'ca: "{authority().file}"'))
    assert b'"reason":"upstream_connect_failure"' in await one.raw(ASK)


async def test_our_own_certificate(gateway: Any, authority: Any, tls_endpoint: Start) -> None:
    ca = authority()
    shop = await tls_endpoint(ca.issue("shop", ["127.0.0.1"]), clients_of=ca)
    own = ca.issue("gateway", uri="spiffe://gatehouse.local/ns/shop/sa/gateway")
    one = await gateway(config(shop.address, f'ca: "{ca.file}", clientCertificate: {own}'))
    assert (await one.raw(ASK)).endswith(b"ok")
    assert shop.clients[0]["subjectAltName"] == (("URI", "spiffe://gatehouse.local/ns/shop/sa/gateway"),)


async def test_renewed_files_serve_the_next_connection(gateway: Any, authority: Any, tls_endpoint: Start) -> None:
    ca = authority()
    shop = await tls_endpoint(ca.issue("shop", ["127.0.0.1"]), clients_of=ca)
    own = ca.issue("gateway")
    one = await gateway(config(shop.address, f'ca: "{ca.file}", clientCertificate: {own}'))

    async def fresh() -> str:
        for endpoint in one.worker.snapshot.clusters["shop"].endpoints:
            endpoint.close()
        assert (await one.raw(ASK)).endswith(b"ok")
        return str(shop.clients[-1]["serialNumber"])

    first = await fresh()
    ca.issue("gateway")
    second = await fresh()
    assert second != first
    own.key.write_bytes(b"")
    assert await fresh() == second
    assert failures(one, "renewal") == 1
