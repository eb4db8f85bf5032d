"""A listener behind a load balancer that speaks the PROXY protocol, and its connections by address."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any

import pytest

from tests.waiting import until

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ASK = b"GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n"
V1 = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n"
V2 = b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0f" + bytes([192, 0, 2, 7, 198, 51, 100, 1, 1, 2, 1, 187, 4, 0, 0])
LOCAL = b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"


def config(address: str, listener: str = 'proxyProtocol: {trusted: ["127.0.0.0/8"]}') -> str:
    return f"""
    listeners:
      - name: public
        port: 0
        {listener}
    clusters: [{{name: shop, endpoints: ["{address}"]}}]
    routes: [{{name: all, public: true, backendRefs: [{{cluster: shop}}]}}]
    """


def refused(one: Any, reason: str) -> float:
    return float(one.total("gateway_connections_refused_total", reason=reason, gateway_listener="public"))


@pytest.mark.parametrize(
    ("header", "client"),
    [(V1, b"192.0.2.7"), (V2, b"192.0.2.7"), (LOCAL, b"127.0.0.1"), (b"PROXY UNKNOWN\r\n", b"127.0.0.1")],
    ids=["v1", "v2", "local", "unknown"],
)
async def test_the_balancer_says_who_the_client_is(upstream: Any, gateway: Any, header: bytes, client: bytes) -> None:
    shop = await upstream(OK)
    one = await gateway(config(shop.address))
    assert (await one.raw(header + ASK)).endswith(b"ok")
    assert b"x-forwarded-for: " + client + b"\r\n" in shop.seen[0]


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
async def test_a_header_that_comes_byte_by_byte(upstream: Any, gateway: Any, header: bytes) -> None:
    shop = await upstream(OK)
    one = await gateway(config(shop.address))
    reader, writer = await asyncio.open_connection("127.0.0.1", one.ports["public"])
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in header + ASK:
        writer.write(bytes([byte]))
        await asyncio.sleep(0)
    assert (await asyncio.wait_for(reader.read(), 5)).endswith(b"ok")
    assert b"x-forwarded-for: 192.0.2.7\r\n" in shop.seen[0]
    writer.close()


@pytest.mark.parametrize(
    ("sent", "reason"),
    [(ASK, "proxy_header_invalid"), (V1[:-2] + b"\n" + ASK, "proxy_header_invalid"), (V2[:-1], "proxy_header_missing")],
)
async def test_without_a_good_header_nobody_comes_in(upstream: Any, gateway: Any, sent: bytes, reason: str) -> None:
    shop = await upstream(OK)
    one = await gateway(config(shop.address))
    with socket.create_connection(("127.0.0.1", one.ports["public"])) as sock:
        sock.send(sent)
        sock.shutdown(socket.SHUT_WR)
        await until(lambda: refused(one, reason) == 1)
    assert not shop.seen


async def test_a_header_has_little_time(upstream: Any, gateway: Any) -> None:
    shop = await upstream(OK)
    one = await gateway(config(shop.address).replace("port: 0", "port: 0\n        headerTimeout: 100ms"))
    assert await one.raw(V1[:10]) == b""
    assert refused(one, "proxy_header_timeout") == 1


async def test_others_than_the_balancer_are_closed(upstream: Any, gateway: Any) -> None:
    shop = await upstream(OK)
    one = await gateway(config(shop.address, 'proxyProtocol: {trusted: [192.0.2.0/24, "::1"]}'))
    for sent in (V1 + ASK, ASK):
        with socket.create_connection(("127.0.0.1", one.ports["public"])) as sock:
            sock.setblocking(False)
            sock.send(sent)
    await until(lambda: refused(one, "untrusted_proxy") == 2)
    assert not shop.seen


async def test_an_ipv4_balancer_on_a_socket_for_both_is_known(upstream: Any, gateway: Any) -> None:
    shop = await upstream(OK)
    one = await gateway(config(shop.address, "proxyProtocol: {trusted: [192.0.2.0/24]}"))
    gate = one.listeners["public"]._gate
    asked = ("192.0.2.1", "::ffff:192.0.2.1", "192.0.3.1", "::ffff:192.0.3.1", "fe80::1%eth0")
    assert [gate._trusts(peer) for peer in asked] == [True, True, False, False, False]


async def test_without_the_setting_a_header_is_no_request(upstream: Any, gateway: Any) -> None:
    shop = await upstream(OK)
    one = await gateway(config(shop.address, ""))
    assert (await one.raw(V1 + ASK)).startswith(b"HTTP/1.1 400 ")
    assert not shop.seen


async def test_tls_behind_the_balancer(upstream: Any, gateway: Any, authority: Any) -> None:
    shop, ca = await upstream(OK), authority()
    tls = f"tls: {{certificates: [{ca.issue('shop', ['shop.example'])}]}}"
    both = f'proxyProtocol: {{trusted: ["127.0.0.1"]}}\n        {tls}'
    one = await gateway(config(shop.address, both))

    def client() -> bytes:
        """Header and ClientHello in one write: what follows the header must not get lost."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = ca.client().wrap_bio(incoming, outgoing, server_hostname="shop.example")
        with socket.create_connection(("127.0.0.1", one.ports["public"]), timeout=5) as sock:
            with pytest.raises(ssl.SSLWantReadError):
                tls.do_handshake()
            sock.sendall(V2 + outgoing.read())
            while True:
                incoming.write(sock.recv(65_536))
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    continue
            tls.write(ASK)
            sock.sendall(outgoing.read())
            answer = b""
            while not answer.endswith(b"ok"):
                incoming.write(sock.recv(65_536))
                try:
                    answer += tls.read(65_536)
                except ssl.SSLWantReadError:
                    continue
            return answer

    assert (await asyncio.to_thread(client)).startswith(b"HTTP/1.1 200 ")
    assert b"x-forwarded-for: 192.0.2.7\r\n" in shop.seen[0]
    assert b"x-forwarded-proto: https\r\n" in shop.seen[0]


async def test_the_limit_per_address_counts_the_client_not_the_balancer(upstream: Any, gateway: Any) -> None:
    shop = await upstream(OK)
    one = await gateway(config(shop.address).replace("port: 0", "port: 0\n        maxConnectionsPerAddress: 1"))
    reader, writer = await asyncio.open_connection("127.0.0.1", one.ports["public"])
    writer.write(V1 + ASK.replace(b"Connection: close\r\n", b""))
    await reader.readuntil(b"ok")
    assert await one.raw(V1) == b""
    assert refused(one, "too_many_connections_of_address") == 1
    assert (await one.raw(V1.replace(b"192.0.2.7", b"192.0.2.8") + ASK)).endswith(b"ok")
    writer.close()
    await until(lambda: not one.listeners["public"].connections)
    assert (await one.raw(V1 + ASK)).endswith(b"ok")


async def test_connections_of_one_address_are_bounded(upstream: Any, gateway: Any) -> None:
    shop = await upstream(OK)
    one = await gateway(config(shop.address, "maxConnectionsPerAddress: 2"))
    kept = [await asyncio.open_connection("127.0.0.1", one.ports["public"]) for _ in range(2)]
    await until(lambda: len(one.listeners["public"].connections) == 2)
    assert await one.raw(b"") == b""
    assert refused(one, "too_many_connections_of_address") == 1
    for _, one_writer in kept:
        one_writer.close()
    await until(lambda: not one.listeners["public"].connections)
    assert (await one.raw(ASK)).endswith(b"ok")
