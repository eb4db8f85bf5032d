"""A listener with TLS, asked by real TLS clients, on both event loops."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import socket
import ssl
import time
from collections.abc import Sequence
from datetime import timedelta
from textwrap import dedent
from typing import Any

import aiohttp
import pytest

from gateway.compile.load import load_text
from gateway.http.identity import ClientCertificate
from tests.waiting import until

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ASK = b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n"
ASK_AND_CLOSE = b"GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n"


def config(address: str, pairs: Sequence[Any], more: str = "") -> str:
    return dedent(f"""
    listeners:
      - name: public
        port: 0
        tls:
          certificates: [{", ".join(map(str, pairs))}]
          {more}
    clusters: [{{name: shop, endpoints: ["{address}"]}}]
    routes: [{{name: all, public: true, backendRefs: [{{cluster: shop}}]}}]
    """)


async def connect(one: Any, context: ssl.SSLContext, name: str = "shop.example") -> Any:
    return await asyncio.open_connection("127.0.0.1", one.ports["public"], ssl=context, server_hostname=name)


async def ask(one: Any, context: ssl.SSLContext, name: str = "shop.example") -> tuple[bytes, dict[str, Any]]:
    """The answer to one request, and the certificate that the gateway showed."""
    reader, writer = await connect(one, context, name)
    try:
        writer.write(ASK_AND_CLOSE)
        return await asyncio.wait_for(reader.read(), 5), writer.get_extra_info("peercert")
    finally:
        writer.close()


def common_name(certificate: dict[str, Any]) -> str:
    return str(dict(pair for part in certificate["subject"] for pair in part)["commonName"])


def handshakes(one: Any, result: str) -> float:
    return float(one.total("gateway_tls_handshakes_total", result=result, gateway_listener="public"))


async def test_a_request_over_tls(upstream: Any, gateway: Any, authority: Any) -> None:
    shop, ca = await upstream(OK), authority()
    one = await gateway(config(shop.address, [ca.issue("shop", ["shop.example"])]))
    took = []
    for _ in range(3):  # the quickest counts: the machine may be busy
        began = time.monotonic()
        answer, _ = await ask(one, ca.client())
        took.append(time.monotonic() - began)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"ok")
    assert min(took) < 1.5  # closed by us at once, not when some time-out ends it
    assert b"x-forwarded-proto: https\r\n" in shop.seen[0]
    assert b";proto=https" in shop.seen[0]
    assert handshakes(one, "complete") == len(took)


async def test_aiohttp_keeps_its_connection(upstream: Any, gateway: Any, authority: Any) -> None:
    shop, ca = await upstream(OK), authority()
    one = await gateway(config(shop.address, [ca.issue("shop", ["127.0.0.1"])]))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=ca.client())) as session:
        for _ in range(3):
            async with session.get(f"https://127.0.0.1:{one.ports['public']}/") as answer:
                assert await answer.text() == "ok"
    assert handshakes(one, "complete") == 1


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ("shop.example", "exact"),
        ("SHOP.example", "exact"),
        ("api.shop.example", "wildcard"),
        ("www.shop.example", "www"),
        ("a.b.shop.example", "exact"),
        ("unknown.example", "exact"),
        ("127.0.0.1", "exact"),
    ],
)
async def test_the_name_asked_for_chooses_the_certificate(
    upstream: Any, gateway: Any, authority: Any, asked: str, shown: str
) -> None:
    shop, ca = await upstream(OK), authority()
    pairs = [
        ca.issue("exact", ["shop.example"]),
        ca.issue("wildcard", ["*.shop.example"]),
        ca.issue("www", ["www.shop.example"]),
    ]
    one = await gateway(config(shop.address, pairs))
    curious = ca.client()
    curious.check_hostname = False
    assert common_name((await ask(one, curious, asked))[1]) == shown


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize(
    ("most", "least", "accepted"),
    [
        (ssl.TLSVersion.TLSv1_1, "1.2", False),
        (ssl.TLSVersion.TLSv1_2, "1.2", True),
        (ssl.TLSVersion.TLSv1_2, "1.3", False),
        (ssl.TLSVersion.TLSv1_3, "1.3", True),
    ],
)
async def test_old_versions_are_refused(
    upstream: Any, gateway: Any, authority: Any, most: ssl.TLSVersion, least: str, accepted: bool
) -> None:
    shop, ca = await upstream(OK), authority()
    one = await gateway(config(shop.address, [ca.issue("shop", ["shop.example"])], f'minVersion: "{least}"'))
    client = ca.client()
    client.minimum_version, client.maximum_version = ssl.TLSVersion.TLSv1, most
    client.set_ciphers("ALL:@SECLEVEL=0")  # else OpenSSL would refuse before we do
    if accepted:
        assert (await ask(one, client))[0].endswith(b"ok")
        return
    with pytest.raises(ssl.SSLError, match="ALERT_PROTOCOL_VERSION"):
        await ask(one, client)
    assert handshakes(one, "unsupported_version") == 1


async def test_http_1_1_is_agreed_on(upstream: Any, gateway: Any, authority: Any) -> None:
    shop, ca = await upstream(OK), authority()
    one = await gateway(config(shop.address, [ca.issue("shop", ["shop.example"])]))
    client = ca.client()
    client.set_alpn_protocols(["h2", "http/1.1"])
    _, writer = await connect(one, client)
    assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
    writer.close()


async def test_plain_http_on_a_tls_port_is_closed(upstream: Any, gateway: Any, authority: Any) -> None:
    shop, ca = await upstream(OK), authority()
    one = await gateway(config(shop.address, [ca.issue("shop", ["shop.example"])]))
    assert b"HTTP" not in await one.raw(ASK)
    assert handshakes(one, "plain_http") == 1
    await one.raw(b"\x00" * 64)
    assert handshakes(one, "not_tls") == 1
    assert not shop.seen


async def test_a_slow_handshake_ends(upstream: Any, gateway: Any, authority: Any) -> None:
    shop, ca = await upstream(OK), authority()
    pairs = [ca.issue("shop", ["shop.example"])]
    one = await gateway(config(shop.address, pairs, "handshakeTimeout: 100ms"))
    began = time.monotonic()
    await one.raw(b"\x16\x03\x01")
    assert time.monotonic() - began < 20  # without the bound it would be for ever
    assert handshakes(one, "timeout") == 1
    assert (await ask(one, ca.client()))[0].endswith(b"ok")


async def test_a_client_that_leaves_in_the_handshake(upstream: Any, gateway: Any, authority: Any) -> None:
    shop, ca = await upstream(OK), authority()
    one = await gateway(config(shop.address, [ca.issue("shop", ["shop.example"])]))
    with socket.create_connection(("127.0.0.1", one.ports["public"])) as sock:
        sock.send(b"\x16\x03\x01")
    await until(lambda: handshakes(one, "client_gone") == 1)


async def test_handshakes_count_as_connections(upstream: Any, gateway: Any, authority: Any) -> None:
    shop, ca = await upstream(OK), authority()
    text = config(shop.address, [ca.issue("shop", ["shop.example"])]).replace(
        "port: 0", "port: 0\n    maxConnections: 2"
    )
    one = await gateway(text.replace("maxConnections: 2", "maxConnections: 2\n    maxConnectionsPerAddress: 1"))
    silent = socket.create_connection(("127.0.0.1", one.ports["public"]))
    with pytest.raises(ConnectionResetError):
        await ask(one, ca.client())
    assert one.total("gateway_connections_refused_total", reason="too_many_connections_of_address") == 1
    silent.close()
    await until(lambda: handshakes(one, "client_gone") == 1)
    assert (await ask(one, ca.client()))[0].endswith(b"ok")


# -- client certificates -------------------------------------------------------------------------------------------


def asking(ca: Any, mode: str) -> str:
    return f'clientCertificates: {{ca: "{ca.file}", mode: {mode}}}'


def watched(one: Any, monkeypatch: pytest.MonkeyPatch) -> list[ClientCertificate | None]:
    """The client certificate of every request that the gateway handles."""
    seen: list[ClientCertificate | None] = []
    handle = one.worker.handle

    def look(request: Any, connection: Any) -> None:
        seen.append(request.client_certificate)
        handle(request, connection)

    monkeypatch.setattr(one.worker, "handle", look)
    return seen


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_required_client_certificate(
    upstream: Any, gateway: Any, authority: Any, monkeypatch: pytest.MonkeyPatch, version: ssl.TLSVersion
) -> None:
    shop, ca, foreign = await upstream(OK), authority(), authority("foreign")
    one = await gateway(config(shop.address, [ca.issue("shop", ["shop.example"])], asking(ca, "required")))
    seen = watched(one, monkeypatch)

    def client(own: Any) -> ssl.SSLContext:
        context: ssl.SSLContext = ca.client(own)
        context.maximum_version = version
        return context

    spiffe = "spiffe://gatehouse.local/ns/shop/sa/orders"
    good = ca.issue("orders", ["orders"], uri=spiffe)
    assert (await ask(one, client(good)))[0].endswith(b"ok")
    (known,) = seen
    assert known is not None
    assert known.subject == (("commonName", "orders"),)
    assert known.names == (("DNS", "orders"), ("URI", spiffe))
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(good.cert.read_text())).digest()
    assert known.thumbprint == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    with pytest.raises(ssl.SSLError, match="ALERT"):
        await ask(one, client(None))
    assert handshakes(one, "no_client_certificate") == 1
    expired = ca.issue("expired", ends=timedelta(minutes=-1))
    for bad in (foreign.issue("orders-too"), expired):
        with pytest.raises(ssl.SSLError, match="ALERT"):
            await ask(one, client(bad))
    assert handshakes(one, "bad_client_certificate") == 2
    assert len(shop.seen) == 1


async def test_an_optional_client_certificate(
    upstream: Any, gateway: Any, authority: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, ca, foreign = await upstream(OK), authority(), authority("foreign")
    one = await gateway(config(shop.address, [ca.issue("shop", ["shop.example"])], asking(ca, "optional")))
    seen = watched(one, monkeypatch)
    assert (await ask(one, ca.client()))[0].endswith(b"ok")
    assert (await ask(one, ca.client(ca.issue("alice"))))[0].endswith(b"ok")
    assert [one and one.subject for one in seen] == [None, (("commonName", "alice"),)]
    with pytest.raises(ssl.SSLError, match="ALERT"):  # one that cannot be verified is not the same as none
        await ask(one, ca.client(foreign.issue("mallory")))


# -- renewal -------------------------------------------------------------------------------------------------------


def expiry(one: Any) -> list[float]:
    families = one.worker.metrics.families()
    (found,) = [one for one in families if one["name"] == "gateway_certificate_expiry_timestamp_seconds"]
    return [value for _, _, value, _ in found["samples"]]


async def test_a_renewed_certificate_serves_new_handshakes(upstream: Any, gateway: Any, authority: Any) -> None:
    shop, ca = await upstream(OK), authority()
    one = await gateway(config(shop.address, [ca.issue("shop", ["shop.example"])]))
    reader, writer = await connect(one, ca.client())
    before = writer.get_extra_info("peercert")["serialNumber"]
    (expires,) = expiry(one)
    assert expires == pytest.approx(time.time() + 86_400, abs=60)
    ca.issue("shop", ["shop.example"], ends=timedelta(days=2))
    await until(lambda: one.total("gateway_certificate_loads_total", result="loaded") == 2)
    answer, certificate = await ask(one, ca.client())
    assert answer.endswith(b"ok")
    assert certificate["serialNumber"] != before
    assert expiry(one) == [pytest.approx(time.time() + 2 * 86_400, abs=60)]
    writer.write(ASK_AND_CLOSE)  # the running connection goes on
    assert (await reader.read()).endswith(b"ok")
    writer.close()


async def test_a_broken_renewal_keeps_the_old_certificate(upstream: Any, gateway: Any, authority: Any) -> None:
    shop, ca = await upstream(OK), authority()
    files = ca.issue("shop", ["shop.example"])
    one = await gateway(config(shop.address, [files]))
    (expires,) = expiry(one)

    async def broken(times: int) -> None:
        await until(lambda: one.total("gateway_certificate_loads_total", result="failed") == times)
        assert (await ask(one, ca.client()))[0].endswith(b"ok")

    files.key.write_bytes(ca.issue("other", ["shop.example"]).key.read_bytes())
    await broken(1)
    files.cert.unlink()
    await broken(2)
    ca.issue("shop", ["shop.example"], ends=timedelta(minutes=-1))
    await broken(3)
    ca.issue("shop", ["shop.example"]).key.chmod(0o644)
    await broken(4)
    assert expiry(one) == [expires]
    ca.issue("shop", ["shop.example"])
    await until(lambda: one.total("gateway_certificate_loads_total", result="loaded") == 2)


async def test_renewals_under_load_fail_no_request(upstream: Any, gateway: Any, authority: Any) -> None:
    shop, ca = await upstream(OK), authority()
    one = await gateway(config(shop.address, [ca.issue("shop", ["shop.example"])]))
    stop = asyncio.Event()
    answers: list[bytes] = []
    serials: set[str] = set()

    async def newcomers() -> None:
        while not stop.is_set():
            answer, certificate = await ask(one, ca.client())
            answers.append(answer[:15] + answer[-2:])
            serials.add(certificate["serialNumber"])

    async def resident() -> None:
        reader, writer = await connect(one, ca.client())
        while not stop.is_set():
            writer.write(ASK)
            head = await reader.readuntil(b"\r\n\r\n")
            answers.append(head[:15] + await reader.readexactly(2))
        writer.close()

    async with asyncio.TaskGroup() as group:
        for work in (newcomers, newcomers, resident, resident):
            group.create_task(work())
        for times in range(2, 8):
            ca.issue("shop", ["shop.example"])
            await until(lambda times=times: one.total("gateway_certificate_loads_total", result="loaded") >= times)  # type: ignore[misc]
            await asyncio.sleep(0.03)
        stop.set()
    assert set(answers) == {b"HTTP/1.1 200 OKok"}
    assert len(answers) > 30
    assert len(serials) >= 5


async def test_without_a_usable_certificate_it_waits_for_one(upstream: Any, gateway: Any, authority: Any) -> None:
    shop, ca = await upstream(OK), authority()
    files = ca.issue("shop", ["shop.example"])
    text = config(shop.address, [files])
    spec = load_text(text, "test.yaml", {})
    files.cert.rename(files.cert.with_suffix(".away"))
    one = await gateway(spec)
    asking_now = asyncio.create_task(ask(one, ca.client()))
    await asyncio.sleep(0.05)
    assert not asking_now.done()
    files.cert.with_suffix(".away").rename(files.cert)
    assert (await asking_now)[0].endswith(b"ok")


async def test_a_reload_brings_other_certificates_and_rules(upstream: Any, gateway: Any, authority: Any) -> None:
    shop, ca = await upstream(OK), authority()
    one = await gateway(config(shop.address, [ca.issue("shop", ["shop.example"])]))
    assert (await ask(one, ca.client()))[0].endswith(b"ok")
    other = ca.issue("other", ["shop.example"])
    one.apply(config(shop.address, [other], asking(ca, "required")))
    answer, certificate = await ask(one, ca.client(ca.issue("alice")))
    assert answer.endswith(b"ok")
    assert common_name(certificate) == "other"
    assert len(expiry(one)) == 1
    with pytest.raises(ssl.SSLError, match="ALERT"):
        await ask(one, ca.client())
    plain = f"""
    listeners: [{{name: public, port: 0}}]
    clusters: [{{name: shop, endpoints: ["{shop.address}"]}}]
    routes: [{{name: all, public: true, backendRefs: [{{cluster: shop}}]}}]
    """
    with pytest.raises(ValueError, match="needs a restart"):
        one.apply(plain)


# -- the end -------------------------------------------------------------------------------------------------------


async def test_draining_lets_a_request_over_tls_end(upstream: Any, gateway: Any, authority: Any) -> None:
    release = asyncio.Event()

    async def slow(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.write(OK)

    shop, ca = await upstream(slow), authority()
    one = await gateway(config(shop.address, [ca.issue("shop", ["shop.example"])]))
    waiting = asyncio.create_task(ask(one, ca.client()))
    idle_reader, idle_writer = await connect(one, ca.client())
    await until(lambda: bool(shop.seen))
    one.listeners["public"].drain()
    assert await asyncio.wait_for(idle_reader.read(), 2) == b""
    idle_writer.close()
    release.set()
    answer = (await waiting)[0]
    assert answer.endswith(b"ok")
    assert b"connection: close" in answer
