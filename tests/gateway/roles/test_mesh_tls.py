"""Two processes of a mesh talk through real sockets: who may, for how long, and what ends it."""

from __future__ import annotations

import asyncio
import json
import ssl
from datetime import timedelta
from typing import Any

import pytest

from gateway.upstream.workload import Workload
from tests.waiting import until

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SHOP = "spiffe://gatehouse.local/ns/shop/sa/"
ASK = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
CLOSE = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

INBOUND = """
listeners: [{{name: public, port: 0, tls: {{mesh: true}}}}]
clusters: [{{name: app, endpoints: ["{app}"]}}]
routes:
  - name: all
    backendRefs: [{{cluster: app}}]
    filters: [{{type: AuthorizationPolicy, allow: [{{name: friends, principals: ["{friend}"]}}]}}]
"""
OUTBOUND = """
listeners: [{{name: public, port: 0}}]
clusters: [{{name: orders, endpoints: ["127.0.0.1:{port}"], tls: {{identity: "{identity}"}}}}]
routes: [{{name: all, public: true, backendRefs: [{{cluster: orders}}]}}]
"""


class Mesh:
    """An authority, and what it says of workloads."""

    def __init__(self, authority: Any) -> None:
        self.authority = authority
        self.numbers = iter(range(100))

    def certify(self, workload: Workload, **how: Any) -> None:
        """Give a workload a certificate, or its next one."""
        uri = how.pop("uri", workload.identity)
        files = how.pop("by", self.authority).issue(f"workload-{next(self.numbers)}", uri=uri, **how)
        workload.install(files.cert.read_bytes(), files.key.read_bytes(), self.authority.file.read_bytes())

    def workload(self, name: str, **how: Any) -> Workload:
        workload = Workload(SHOP + name)
        self.certify(workload, **how)
        return workload

    def revoke(self, *of: Workload, told: Workload) -> None:
        told.trust(told.bundle, frozenset(serial(one) for one in of))


def serial(workload: Workload) -> int:
    from cryptography.x509 import load_pem_x509_certificates

    return load_pem_x509_certificates(workload._chain)[0].serial_number


@pytest.fixture
def mesh(authority: Any) -> Mesh:
    return Mesh(authority())


@pytest.fixture
def pair(gateway: Any, upstream: Any) -> Any:
    """`orders` with its sidecar, and the sidecar of who calls it."""

    async def start(server: Workload, client: Workload, answer: Any = OK, wanted: str = SHOP + "orders") -> Any:
        app = await upstream(answer)
        inbound = await gateway(INBOUND.format(app=app.address, friend=SHOP + "storefront"), server)
        text = OUTBOUND.format(port=inbound.ports["public"], identity=wanted)
        return app, inbound, await gateway(text, client)

    return start


def connections(one: Any) -> int:
    return len(one.listeners["public"].connections)


async def test_who_is_allowed_gets_through_under_its_own_name(mesh: Mesh, pair: Any) -> None:
    app, inbound, outbound = await pair(mesh.workload("orders"), mesh.workload("storefront"))
    assert (await outbound.raw(CLOSE)).endswith(b"ok")
    assert (await outbound.raw(CLOSE)).endswith(b"ok")
    assert inbound.total("gateway_tls_handshakes_total", result="complete") == 1  # kept and used again
    assert len(app.seen) == 2


async def test_another_identity_of_the_same_mesh_is_authenticated_and_not_allowed(mesh: Mesh, pair: Any) -> None:
    app, _, outbound = await pair(mesh.workload("orders"), mesh.workload("profiles"))
    answer = await outbound.raw(CLOSE)
    assert answer.startswith(b"HTTP/1.1 403")
    assert app.seen == []


async def test_a_service_that_is_not_who_it_should_be_gets_no_request(mesh: Mesh, pair: Any) -> None:
    app, _, outbound = await pair(mesh.workload("profiles"), mesh.workload("storefront"))
    answer = await outbound.raw(CLOSE)
    assert answer.startswith(b"HTTP/1.1 502")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["reason"] == "upstream_tls_failure"
    assert outbound.total("gateway_upstream_tls_failures_total", reason="wrong_identity") == 1
    assert app.seen == []


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"uri": "spiffe://elsewhere.example/ns/shop/sa/storefront"}, "foreign_domain"),
        ({"uri": "https://gatehouse.local/storefront"}, "no_identity"),
        ({"uri": "", "names": ["storefront"]}, "no_identity"),
        ({"ends": timedelta(minutes=-1), "begins": timedelta(hours=-1)}, "bad_client_certificate"),
    ],
    ids=["foreign domain", "no SPIFFE ID", "no URI at all", "expired"],
)
async def test_who_has_no_identity_of_ours_is_turned_away_and_counted(
    mesh: Mesh, pair: Any, how: dict[str, Any], reason: str
) -> None:
    app, inbound, outbound = await pair(mesh.workload("orders"), mesh.workload("storefront", **how))
    assert (await outbound.raw(CLOSE)).startswith(b"HTTP/1.1 502")
    assert inbound.total("gateway_tls_handshakes_total", result=reason) >= 1
    assert app.seen == []


async def test_a_certificate_of_another_authority_is_refused(
    mesh: Mesh, pair: Any, authority: Any, tmp_path: Any
) -> None:
    (tmp_path / "other").mkdir()
    foreign = type(mesh.authority)(tmp_path / "other", "other")
    app, inbound, outbound = await pair(mesh.workload("orders"), mesh.workload("storefront", by=foreign))
    assert (await outbound.raw(CLOSE)).startswith(b"HTTP/1.1 502")
    assert inbound.total("gateway_tls_handshakes_total", result="bad_client_certificate") == 1
    assert app.seen == []


async def test_plain_http_and_no_certificate_are_refused_and_counted(mesh: Mesh, pair: Any) -> None:
    app, inbound, _ = await pair(mesh.workload("orders"), mesh.workload("storefront"))
    assert b"ok" not in await inbound.raw(CLOSE)
    assert inbound.total("gateway_tls_handshakes_total", result="plain_http") == 1
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(mesh.authority.file)
    reader, writer = await asyncio.open_connection("127.0.0.1", inbound.ports["public"], ssl=context)
    writer.write(CLOSE)
    with pytest.raises(OSError, match=r"(?i)certificate required"):  # TLS 1.3 tells it after the handshake
        await reader.read()
    writer.close()
    assert inbound.total("gateway_tls_handshakes_total", result="no_client_certificate") == 1
    assert app.seen == []


async def test_renewals_exchange_connections_and_no_request_fails(mesh: Mesh, pair: Any) -> None:
    server, client = mesh.workload("orders"), mesh.workload("storefront")
    _, inbound, outbound = await pair(server, client)
    failed = done = 0

    async def calls() -> None:
        nonlocal failed, done
        while done < 400:
            done += 1
            answer = await outbound.raw(CLOSE)
            failed += not answer.endswith(b"ok")

    async def some_more() -> None:
        enough = done + 20
        await until(lambda: done >= enough)

    async def renewals() -> None:
        for one in (client, server) * 5:
            await some_more()
            mesh.certify(one)

    await asyncio.gather(calls(), calls(), calls(), renewals())
    assert failed == 0
    assert inbound.total("gateway_tls_handshakes_total", result="complete") > 5


async def test_a_connection_near_the_end_of_its_certificate_is_not_kept(mesh: Mesh, pair: Any) -> None:
    ending = {"begins": timedelta(days=-9.5), "ends": timedelta(hours=12)}  # in its last tenth
    _, inbound, outbound = await pair(mesh.workload("orders", **ending), mesh.workload("storefront"))
    for _ in range(3):
        assert (await outbound.raw(CLOSE)).endswith(b"ok")
    assert inbound.total("gateway_tls_handshakes_total", result="complete") == 3
    await until(lambda: connections(inbound) == 0)


async def test_revocation_cuts_a_client_off_in_the_middle_of_an_answer(mesh: Mesh, pair: Any) -> None:
    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
        await asyncio.Event().wait()

    server, client = mesh.workload("orders"), mesh.workload("storefront")
    _, inbound, outbound = await pair(server, client, endless)
    reader, writer = await asyncio.open_connection("127.0.0.1", outbound.ports["public"])
    writer.write(CLOSE)
    await reader.readuntil(b"one")
    mesh.revoke(client, told=server)
    with pytest.raises(ConnectionResetError):  # visibly broken
        await reader.read()
    writer.close()
    assert inbound.total("gateway_mesh_revoked_connections_total", where="public") == 1
    assert (await outbound.raw(CLOSE)).startswith(b"HTTP/1.1 502")
    assert inbound.total("gateway_tls_handshakes_total", result="revoked") >= 1


async def test_revocation_of_a_service_ends_kept_connections_to_it(mesh: Mesh, pair: Any) -> None:
    server, client = mesh.workload("orders"), mesh.workload("storefront")
    _, inbound, outbound = await pair(server, client)
    assert (await outbound.raw(CLOSE)).endswith(b"ok")
    mesh.revoke(server, told=client)
    await until(lambda: connections(inbound) == 0)
    assert outbound.total("gateway_mesh_revoked_connections_total", where="orders") == 1
    assert (await outbound.raw(CLOSE)).startswith(b"HTTP/1.1 502")
    mesh.certify(server)
    assert (await outbound.raw(CLOSE)).endswith(b"ok")


async def test_who_is_shut_out_is_cut_off_on_connections_older_than_any_certificate_that_is_known(
    mesh: Mesh, pair: Any
) -> None:
    """A stream may outlive its certificate, and who revokes does not know that one any more."""
    server, client = mesh.workload("orders"), mesh.workload("storefront")
    _, inbound, outbound = await pair(server, client)
    assert (await outbound.raw(CLOSE)).endswith(b"ok")
    server.trust(server.bundle, frozenset(), frozenset({client.identity}))
    await until(lambda: connections(inbound) == 0)
    mesh.certify(client)
    assert (await outbound.raw(CLOSE)).startswith(b"HTTP/1.1 502")
    server.trust(server.bundle, frozenset())
    assert (await outbound.raw(CLOSE)).endswith(b"ok")


async def test_authorities_change_hands_without_a_failure(mesh: Mesh, pair: Any, tmp_path: Any) -> None:
    """Both are believed until everybody has a certificate of the new one."""
    server, client = mesh.workload("orders"), mesh.workload("storefront")
    _, _, outbound = await pair(server, client)
    (tmp_path / "next").mkdir()
    after = type(mesh.authority)(tmp_path / "next", "next")
    both = mesh.authority.file.read_bytes() + after.file.read_bytes()
    for one in (server, client):
        one.trust(both, frozenset())
        assert (await outbound.raw(CLOSE)).endswith(b"ok")
    for one in (server, client):
        files = after.issue(f"after-{one.generation}-{id(one)}", uri=one.identity)
        one.install(files.cert.read_bytes(), files.key.read_bytes(), both)
        assert (await outbound.raw(CLOSE)).endswith(b"ok")
    for one in (server, client):
        one.trust(after.file.read_bytes(), frozenset())
        assert (await outbound.raw(CLOSE)).endswith(b"ok")


async def test_outside_of_a_mesh_nothing_of_it_can_be_configured(gateway: Any) -> None:
    with pytest.raises(ValueError, match="this process has none"):
        await gateway(OUTBOUND.format(port=1, identity=SHOP + "orders"))
    with pytest.raises(ValueError, match="runs in none"):
        await gateway(INBOUND.format(app="127.0.0.1:1", friend=SHOP + "storefront"))
