"""The way out: services that call others through a forward-proxy listener, and what is not let out."""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.compile.load import load_text
from gateway.roles.explain import explain
from gateway.spec.errors import SpecErrors
from tests.gateway.upstream.names import Names

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
EGRESS = """
    listeners:
      - {{name: egress, port: 0, forwardProxy: {terms}}}
    clusters:
      - name: out
        forward: {{hosts: ["*.example"], ports: [{port}], tunnelPorts: [{port}]}}
        addresses: {{allow: [127.0.0.1]}}
    routes:
      - name: calls
        public: true
        backendRefs: [{{cluster: out}}]
      - name: tunnels
        public: true
        matches: [{{method: CONNECT}}]
        backendRefs: [{{cluster: out}}]
"""


def token(issuer: str) -> str:
    part = urlsafe_b64encode(json.dumps({"iss": issuer}).encode()).rstrip(b"=").decode()
    return f"eyJhbGciOiJub25lIn0.{part}.c2lnbmF0dXJl"


def reason(answer: bytes) -> str:
    return str(json.loads(answer.partition(b"\r\n\r\n")[2])["reason"])


class House:
    """A gateway with a way out, one third party, and names that lead to it."""

    def __init__(self, gateway: Any, third: Any) -> None:
        self.gateway = gateway
        self.third = third
        self.port = int(third.address.rpartition(":")[2])

    async def call(self, target: str, *lines: str, method: str = "GET", host: str = "other.example") -> bytes:
        head = [f"{method} {target} HTTP/1.1", f"Host: {host}", "Connection: close", *lines]
        answer: bytes = await self.gateway.raw("\r\n".join([*head, "", ""]).encode(), "egress")
        return answer

    def sent(self) -> bytes:
        """The latest head that the third party got."""
        last: bytes = self.third.seen[-1]
        return last.lower()

    def denied(self, why: str) -> float:
        counted: float = self.gateway.total("gateway_egress_denied_total", reason=why)
        return counted


@pytest.fixture
async def house(gateway: Any, upstream: Any) -> Any:
    async def build(answer: Any = OK, terms: str = "{}", text: str = EGRESS, **more: Any) -> House:
        third = await upstream(answer)
        port = third.address.rpartition(":")[2]
        names = Names(api_example=["127.0.0.1"], inside_example=["127.0.0.2"], **more)
        return House(await gateway(text.format(port=port, terms=terms), resolver=names), third)

    return build


async def test_a_whole_address_goes_where_it_says_whatever_host_says(house: Any) -> None:
    one = await house()
    answer = await one.call(
        f"http://api.example:{one.port}/v1/x?a=b", "X-Own: 1", "Proxy-Authorization: Basic c2VjcmV0"
    )
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert one.sent().startswith(f"get /v1/x?a=b http/1.1\r\nhost: api.example:{one.port}\r\n".encode())
    assert b"x-own: 1" in one.sent()
    for inside in (b"other.example", b"proxy-authorization", b"c2vjcmv0"):
        assert inside not in one.sent()


async def test_nothing_of_ours_goes_out_unless_it_is_said(house: Any) -> None:
    ours = ("traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "Baggage: user=alice",
            "X-Request-Id: own", "X-Forwarded-For: 10.0.0.1", "X-Team: a")  # fmt: skip
    one = await house(terms="{removeHeaders: [X-Team]}")
    await one.call(f"http://api.example:{one.port}/", *ours)
    for inside in (b"forwarded", b"127.0.0.1", b"10.0.0.1", b"request-id", b"trace", b"baggage", b"x-team"):
        assert inside not in one.sent()
    two = await house(terms="{traceContext: true}")
    await two.call(f"http://api.example:{two.port}/", *ours)
    for told in (b"\r\nx-request-id: ", b"\r\ntraceparent: 00-", b"\r\nbaggage: user=alice"):
        assert told in two.sent()
    for inside in (b"forwarded", b"10.0.0.1", b"127.0.0.1"):
        assert inside not in two.sent()


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("http://evil.test:{port}/", "egress_host_denied"),
        ("http://127.0.0.1:{port}/", "egress_host_denied"),
        ("http://[::1]:{port}/", "egress_host_denied"),
        ("http://api.example.:{port}/", "egress_host_denied"),
        ("http://api.example/", "egress_port_denied"),
        ("http://inside.example:{port}/", "egress_address_denied"),
        ("http://nobody.example:{port}/", "dns_failure"),
        ("https://api.example:{port}/", "egress_scheme_denied"),
    ],
)
async def test_what_is_not_let_out(house: Any, target: str, why: str) -> None:
    one = await house()
    answer = await one.call(target.format(port=one.port), "Authorization: Bearer very-secret")
    assert reason(answer) == why
    assert answer.startswith(b"HTTP/1.1 503 " if why == "dns_failure" else b"HTTP/1.1 403 ")
    assert one.denied(why) == 1
    assert one.third.connections == 0


async def test_denials_are_logged_without_secrets(house: Any, caplog: pytest.LogCaptureFixture) -> None:
    one = await house()
    await one.call("http://evil.test/path-secret?query-secret", "Authorization: Bearer header-secret")
    logged = [record.getMessage() for record in caplog.records if record.name == "gateway.egress"]
    assert logged == ["GET evil.test by 127.0.0.1: egress_host_denied (route calls)"]


async def test_each_redirect_comes_back_and_is_judged_anew(house: Any, upstream: Any) -> None:
    """A third party sends its caller to a metadata service on loopback, by three kinds of address."""
    decoy = await upstream(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")
    places = {b"/name": "http://inside.example:{port}/latest/meta-data",
              b"/decoy": f"http://{decoy.address}/latest/meta-data",
              b"/number": "http://2130706433:{port}/",
              b"/good": "http://other.example:{port}/end"}  # fmt: skip

    async def redirects(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = one.third.seen[-1].split(b" ")[1]
        place = places.get(path, "").format(port=one.port)
        found = f"HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode()
        writer.write(found if place else OK)

    one = await house(redirects, other_example=["127.0.0.1"])
    proxy = f"http://127.0.0.1:{one.gateway.ports['egress']}"
    async with aiohttp.ClientSession() as client:
        for path, why in (("name", "egress_address_denied"), ("decoy", "egress_host_denied"),
                          ("number", "egress_host_denied")):  # fmt: skip
            async with client.get(f"http://api.example:{one.port}/{path}", proxy=proxy) as answer:
                assert (answer.status, len(answer.history)) == (403, 1)
                assert json.loads(await answer.read())["reason"] == why
        async with client.get(f"http://api.example:{one.port}/good", proxy=proxy) as answer:
            assert (answer.status, len(answer.history)) == (200, 1)
    assert decoy.connections == 0


async def test_a_name_that_turns_inside_while_it_is_used_is_not_followed(house: Any) -> None:
    one = await house()
    target = f"http://api.example:{one.port}/"
    assert (await one.call(target)).startswith(b"HTTP/1.1 200 ")
    out: Any = one.gateway.worker.snapshot.clusters["out"]
    (known,) = out._known.values()
    known.discovery._resolver.known["api.example"] = ["127.0.0.2"]
    assert not await known.discovery.refresh(known.cluster)
    assert [endpoint.host for endpoint in known.cluster.endpoints] == ["127.0.0.1"]
    assert (await one.call(target)).startswith(b"HTTP/1.1 200 ")
    assert len(known.discovery._resolver.asked) == 2  # by the refresh, not by the second call


async def test_tokens_of_this_house_stay_here(house: Any) -> None:
    one = await house(terms="{insideIssuers: ['https://identity.shop']}")
    target = f"http://api.example:{one.port}/"
    answer = await one.call(target, f"Authorization: Bearer {token('https://identity.shop')}")
    assert reason(answer) == "egress_credential_denied"
    assert one.third.connections == 0
    for theirs in (f"Bearer {token('https://third.party')}", "Bearer sk_live_1", "Basic YTpi", "Bearer a.b.c"):
        assert (await one.call(target, f"Authorization: {theirs}")).startswith(b"HTTP/1.1 200 ")
        assert f"authorization: {theirs.lower()}".encode() in one.sent()
    two = await house(terms="{insideIssuers: ['https://identity.shop'], removeHeaders: [authorization]}")
    await two.call(f"http://api.example:{two.port}/", f"Authorization: Bearer {token('https://identity.shop')}")
    assert b"authorization" not in two.sent()


async def test_connect_opens_a_tunnel_both_ways(house: Any) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(5))

    one = await house(echo)
    reader, writer = await asyncio.open_connection("127.0.0.1", one.gateway.ports["egress"])
    # What follows the head at once is the tunnel's already; our third party reads up to an empty line.
    writer.write(f"CONNECT api.example:{one.port} HTTP/1.1\r\nHost: x\r\n\r\nno HTTP\r\n\r\n12345".encode())
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"content-length" not in head
    assert b"transfer-encoding" not in head
    assert await asyncio.wait_for(reader.readexactly(5), 5) == b"12345"
    assert one.third.seen == [b"no HTTP\r\n\r\n"]
    writer.close()
    async with asyncio.timeout(5):
        while one.gateway.worker.exchanges or one.gateway.worker.snapshot.clusters["out"].connections:
            await asyncio.sleep(0.001)


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("evil.test:{port}", "egress_host_denied"),
        ("127.0.0.1:{port}", "egress_host_denied"),
        ("api.example:22", "egress_port_denied"),
        ("inside.example:{port}", "egress_address_denied"),
        ("api.example", "malformed_target"),
        ("http://api.example/", "malformed_target"),
    ],
)
async def test_tunnels_that_are_not_opened(house: Any, target: str, why: str) -> None:
    one = await house()
    assert reason(await one.call(target.format(port=one.port), method="CONNECT")) == why
    assert one.third.connections == 0


async def test_what_was_meant_for_a_refused_tunnel_is_no_request(house: Any) -> None:
    one = await house()
    inner = f"GET http://api.example:{one.port}/ HTTP/1.1\r\nHost: a\r\n\r\n"
    answer = await one.gateway.raw(f"CONNECT evil.test:443 HTTP/1.1\r\nHost: a\r\n\r\n{inner}".encode(), "egress")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert one.third.connections == 0


@pytest.mark.parametrize("line", ["Content-Length: 5", "Transfer-Encoding: chunked"])
async def test_connect_has_no_body(house: Any, line: str) -> None:
    one = await house()
    assert reason(await one.call(f"api.example:{one.port}", line, method="CONNECT")) == "connect_body"


NO_TUNNELS = """
    listeners:
      - {{name: egress, port: 0, forwardProxy: {terms}}}
      - {{name: public, port: 0}}
    clusters:
      - {{name: out, forward: {{hosts: ["*.example"], ports: [{port}], tunnelPorts: [{port}]}}, addresses: {{allow: [127.0.0.1]}}}}
      - {{name: own, endpoints: ["127.0.0.1:{port}"]}}
    routes:
      - {{name: calls, listeners: [egress], public: true, backendRefs: [{{cluster: out}}]}}
      - {{name: own, listeners: [public], public: true, backendRefs: [{{cluster: own}}]}}
"""  # noqa: E501


async def test_connect_needs_a_route_that_means_it(house: Any) -> None:
    one = await house(text=NO_TUNNELS)
    assert reason(await one.call(f"api.example:{one.port}", method="CONNECT")) == "connect_refused"
    assert one.denied("connect_refused") == 1
    ordinary = await one.gateway.raw(b"CONNECT api.example:443 HTTP/1.1\r\nHost: a\r\n\r\n", "public")
    assert (reason(ordinary), ordinary[:12]) == ("connect_refused", b"HTTP/1.1 501")
    # On an ordinary listener a whole address chooses no endpoint: its route does.
    assert b"200 OK" in await one.gateway.raw(
        b"GET http://evil.test/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "public"
    )
    assert one.sent().startswith(b"get /x http/1.1\r\nhost: evil.test\r\n")


async def test_tls_begins_here_and_the_name_must_be_proven(gateway: Any, upstream: Any, authority: Any) -> None:
    """A service speaks plain HTTP with us, and we speak verified TLS, for a listed host and for any allowed one."""
    import ssl

    ca = authority()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    files = ca.issue("third", ["api.example", "pay.example"])
    context.load_cert_chain(files.cert, files.key)
    heads = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    text = f"""
        listeners:
          - {{name: egress, port: 0, forwardProxy: {{}}}}
        clusters:
          - name: payments
            endpoints: ["pay.example:{port}"]
            addresses: {{allow: [127.0.0.1]}}
            tls: {{ca: {ca.file}}}
          - name: out
            forward: {{hosts: ["*.example"], ports: [{port}]}}
            addresses: {{allow: [127.0.0.1]}}
            tls: {{ca: {ca.file}}}
        routes:
          - name: payments
            public: true
            hostnames: [pay.example]
            backendRefs: [{{cluster: payments}}]
          - name: others
            public: true
            backendRefs: [{{cluster: out}}]
    """
    names = Names(api_example=["127.0.0.1"], pay_example=["127.0.0.1"], wrong_example=["127.0.0.1"])
    one = await gateway(text, resolver=names)

    async def call(target: str) -> bytes:
        head = f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        answer: bytes = await one.raw(head.encode(), "egress")
        return answer

    assert b"200 OK" in await call("http://pay.example/charge")
    assert heads[-1].startswith(b"GET /charge HTTP/1.1\r\nhost: pay.example\r\n")
    assert b"200 OK" in await call(f"http://api.example:{port}/")
    assert b"200 OK" in await call(f"https://api.example:{port}/")
    assert reason(await call(f"http://wrong.example:{port}/")) == "upstream_tls_failure"
    assert one.total("gateway_upstream_tls_failures_total", gateway_cluster="out", reason="wrong_name") == 1
    server.close()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ((", forwardProxy: {terms}", ""), "its routes serve only listeners with forwardProxy"),
        (("[{{method: CONNECT}}]", "[{{method: CONNECT}}, {{method: GET}}]"), "CONNECT needs a route of its own"),
        (("forward: {{", "tls: {{}}\n        forward: {{"), "a cluster with forward and without tls"),
        (("forward: {{", "tls: {{serverName: a.example}}\n        forward: {{"), "each host must prove its own name"),
        (("forward: {{", "dns: {{hosts: {{a.example: [10.0.0.1]}}}}\n        forward: {{"), '"10.0.0.1" is private'),
        (("forward: {{", 'endpoints: ["a.example:1"]\n        forward: {{'), "has forward and other endpoints"),
    ],
)
def test_what_does_not_load(change: tuple[str, str], told: str) -> None:
    text = EGRESS.replace(*change).format(port=8443, terms="{}")
    with pytest.raises(SpecErrors, match=told):
        load_text(text, "test.yaml", {})


def test_endpoints_that_the_policy_refuses_do_not_load() -> None:
    text = """
        listeners: [{name: public, port: 0}]
        clusters:
          - {name: out, endpoints: ["127.0.0.1:80", "api.example:80", "8.8.8.8:80", "localhost:80"], addresses: {}}
        routes: [{name: all, public: true, backendRefs: [{cluster: out}]}]
    """
    with pytest.raises(SpecErrors) as caught:
        load_text(text, "test.yaml", {})
    assert str(caught.value).count("is loopback, which addresses.allow does not let pass") == 2


async def test_explain_says_what_would_be_let_out(house: Any) -> None:
    one = await house()
    snapshot = one.gateway.worker.snapshot

    async def ask(method: str, target: str, host: str = "x") -> tuple[str, str]:
        told = await explain(snapshot, {"method": method, "target": target, "host": host})
        return told["outcome"], told.get("reason", "")

    assert await ask("GET", f"http://api.example:{one.port}/") == ("forward", "")
    assert await ask("CONNECT", f"api.example:{one.port}") == ("forward", "")
    assert await ask("CONNECT", "/", f"api.example:{one.port}") == ("forward", "")
    assert await ask("GET", f"http://evil.test:{one.port}/") == ("deny", "egress_host_denied")
    assert await ask("GET", f"https://api.example:{one.port}/") == ("deny", "egress_scheme_denied")
    assert await ask("CONNECT", "api.example:22") == ("deny", "egress_port_denied")
    assert not one.gateway.worker.snapshot.clusters["out"].endpoints  # nobody was asked


async def test_a_listener_may_become_a_way_out_by_a_reload(house: Any) -> None:
    one = await house(text=NO_TUNNELS)
    swapped = NO_TUNNELS.replace(", forwardProxy: {terms}", "").replace(
        "name: public, port: 0", "name: public, port: 0, forwardProxy: {{}}"
    )
    swapped = swapped.replace("[egress]", "[x]").replace("[public]", "[egress]").replace("[x]", "[public]")
    one.gateway.apply(swapped.format(port=one.port))
    answer = await one.gateway.raw(
        f"GET http://evil.test:{one.port}/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()
    )
    assert reason(answer) == "egress_host_denied"
    assert b"200 OK" in await one.call("http://evil.test/")


async def test_the_ready_configuration_lets_out_what_it_says(gateway: Any, upstream: Any) -> None:
    """config/egress.yaml, with the ports of this test in place of 9009."""
    third = await upstream(OK)
    port = third.address.rpartition(":")[2]
    text = (Path(__file__).parents[3] / "config" / "egress.yaml").read_text("utf-8").replace("9009", port)
    names = Names()
    one = await gateway(text, resolver=names)

    async def call(target: str, method: str = "GET", more: str = "") -> bytes:
        head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}\r\n"
        answer: bytes = await one.raw(head.encode(), "egress")
        return answer

    assert b"200 OK" in await call(f"http://files.partner.example:{port}/", more="X-User-Id: 7\r\n")
    assert b"x-user-id" not in third.seen[-1].lower()
    for target, why in (
        ("http://elsewhere.example/", "egress_host_denied"),
        ("http://files.partner.example:22/", "egress_port_denied"),
        ("http://169.254.169.254/latest/meta-data/", "egress_host_denied"),
        ("http://api.payments.example/v1/charges", "dns_failure"),
        ("http://api.payments.example/v1/refunds", "egress_host_denied"),
    ):
        assert reason(await call(target)) == why, target
    assert reason(await call("http://files.partner.example/", "POST")) == "no_route"
    assert reason(await call("elsewhere.example:443", "CONNECT")) == "egress_host_denied"
    inside = f"Authorization: Bearer {token('https://identity.shop.example')}\r\n"
    assert reason(await call(f"http://files.partner.example:{port}/", more=inside)) == "egress_credential_denied"


async def test_a_reload_that_leaves_a_way_out_alone_keeps_its_names(house: Any) -> None:
    one = await house()
    await one.call(f"http://api.example:{one.port}/")
    clusters = one.gateway.worker.snapshot.clusters
    one.gateway.apply(EGRESS.format(port=one.port, terms="{traceContext: true}"))
    assert one.gateway.worker.snapshot.clusters["out"] is clusters["out"]
    await one.call(f"http://api.example:{one.port}/")
    assert one.third.connections == 1
    assert b"traceparent" in one.sent()
    one.gateway.apply(
        EGRESS.format(port=one.port, terms="{}").replace("forward: {", "idleTimeout: 9s\n        forward: {")
    )
    assert clusters["out"].retired
    assert (await one.call(f"http://api.example:{one.port}/")).startswith(b"HTTP/1.1 200 ")
    assert one.third.connections == 2
