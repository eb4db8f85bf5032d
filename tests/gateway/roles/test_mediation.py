"""Bytes through a gateway that offers a SOAP and a GraphQL service as REST."""

from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from gateway.roles.explain import explain

WSDL = Path(__file__).parents[3] / "config" / "profiles.wsdl"
FILES = Path(__file__).parents[1] / "mediation_files"
SHOP = "https://profiles.shop.example/v1"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
PROFILE = "<username>alice</username><fullName>A</fullName><email>a@b</email><version>3</version>"
GOOD = f'<ReadProfileResponse xmlns="{SHOP}"><profile>{PROFILE}</profile></ReadProfileResponse>'
FAULT = "<s:Fault><faultcode>s:Client</faultcode><faultstring>x</faultstring></s:Fault>"


def config(address: str, more: str = "") -> str:
    return f"""
listeners: [{{name: public, port: 0}}]
clusters: [{{name: shop, endpoints: ["{address}"]}}]
routes:
  - name: people
    public: true
    matches: [{{path: {{value: /people}}}}]
    filters:
      - type: SoapToRest
        wsdl: {WSDL}
        endpoint: /soap
        openapi: /people/openapi.json
        operations:
          - {{name: ReadProfile, method: GET, path: "/people/{{username}}", select: profile}}
          - {{name: DropProfile, method: DELETE, path: "/people/{{username}}", status: 204}}
      - {{type: SoapGuard, wsdl: {WSDL}}}
      {more}
    backendRefs: [{{cluster: shop}}]
  - name: front
    public: true
    matches: [{{path: {{value: /one}}}}]
    filters:
      - type: GraphQLToRest
        schemaFile: {FILES / "shop.graphql"}
        queries:
          - method: GET
            path: "/one/{{id}}"
            query: {FILES / "shop-queries.graphql"}
            operation: One
            select: product
      - {{type: GraphQLGuard}}
    backendRefs: [{{cluster: shop}}]
"""


def xml(inside: str, status: str = "200 OK", more: bytes = b"") -> bytes:
    body = f'<s:Envelope xmlns:s="{SOAP}"><s:Body>{inside}</s:Body></s:Envelope>'.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n".encode()
    return head + more + b"\r\n" + body


class Reading:
    """An upstream that reads whole requests and answers all of them alike."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.bodies: list[bytes] = []
        self.shop: Any = None

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = self.shop.seen[-1].lower()
        length = next((int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")), 0)
        self.bodies.append(await reader.readexactly(length))
        writer.write(self.answer)
        await writer.drain()


async def start(gateway: Any, upstream: Any, answer: bytes, more: str = "") -> tuple[Any, Reading]:
    reading = Reading(answer)
    reading.shop = await upstream(reading)
    return await gateway(config(reading.shop.address, more)), reading


async def send(running: Any, line: str, *fields: str, body: bytes = b"") -> tuple[bytes, bytes]:
    lines = [f"{line} HTTP/1.1", "Host: a", "Connection: close", *fields]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    got = await running.raw("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    head, _, rest = got.partition(b"\r\n\r\n")
    return head.lower(), rest


async def test_the_service_gets_a_message_and_the_client_json(gateway: Any, upstream: Any) -> None:
    running, reading = await start(gateway, upstream, xml(GOOD, more=b'ETag: "3"\r\n'))
    head, body = await send(running, "GET /people/alice", "Accept: application/json")
    assert head.startswith(b"http/1.1 200")
    assert b'etag: "3"' in head
    assert json.loads(body) == {"username": "alice", "fullName": "A", "email": "a@b", "version": 3}
    seen = reading.shop.seen[0].lower()
    assert seen.startswith(b"post /soap http/1.1\r\n")
    assert seen.count(b"content-type:") == seen.count(b"soapaction:") == seen.count(b"content-length:") == 1
    message = etree.fromstring(reading.bodies[0])
    assert [one.text for one in message.iter(f"{{{SHOP}}}username")] == ["alice"]
    for kind in ("rest", "soap"):  # that of the guard behind it
        assert running.total("gateway_operations_total", operation_type=kind) == 1
    assert running.total("http_client_request_duration_seconds_count", http_request_method="POST") == 1
    assert running.total("http_server_request_duration_seconds_count", http_request_method="GET") == 1


async def test_head_tells_what_get_would_and_sends_no_body(gateway: Any, upstream: Any) -> None:
    running, reading = await start(gateway, upstream, xml(GOOD))
    got, body = await send(running, "GET /people/alice")
    head, nothing = await send(running, "HEAD /people/alice")
    assert nothing == b""
    assert head.startswith(b"http/1.1 200")
    assert b"content-length: %d" % len(body) in head
    assert b"content-type: application/json" in head
    assert reading.shop.seen[1].startswith(b"POST ")
    assert got.count(b"content-length") == head.count(b"content-length") == 1


async def test_head_of_a_fault_has_its_status(gateway: Any, upstream: Any) -> None:
    running, _ = await start(gateway, upstream, xml(FAULT, "404 Not Found"))
    head, nothing = await send(running, "HEAD /people/alice")
    assert (head[:12], nothing) == (b"http/1.1 404", b"")


async def test_a_fault_is_the_services_refusal_and_not_the_gateways(gateway: Any, upstream: Any) -> None:
    running, _ = await start(gateway, upstream, xml(FAULT, "500 Internal Server Error"))
    head, body = await send(running, "GET /people/alice")
    assert head.startswith(b"http/1.1 400")
    assert json.loads(body)["type"] == "about:blank"
    assert running.total("gateway_local_replies_total") == 0


async def test_the_deleted_is_204(gateway: Any, upstream: Any) -> None:
    inside = f'<DropProfileResponse xmlns="{SHOP}"><username>alice</username></DropProfileResponse>'
    running, _ = await start(gateway, upstream, xml(inside))
    head, body = await send(running, "DELETE /people/alice")
    assert (head[:12], body) == (b"http/1.1 204", b"")
    assert b"content-length" not in head
    assert b"content-type" not in head


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/secret\r\nContent-Length: 0\r\n\r\n",
        xml(GOOD, "206 Partial Content"),
        xml("<!DOCTYPE secret>"),
        xml(GOOD.replace("alice", "secret!")),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_answers_that_are_none_are_502(gateway: Any, upstream: Any, answer: bytes, method: str) -> None:
    running, _ = await start(gateway, upstream, answer)
    head, body = await send(running, f"{method} /people/alice")
    assert head.startswith(b"http/1.1 502")
    assert b"secret" not in head + body
    if method == "GET":
        assert json.loads(body)["reason"] == "soap_answer_invalid"
        assert json.loads(body)["policy"].startswith("test.yaml:")


async def test_304_passes(gateway: Any, upstream: Any) -> None:
    running, _ = await start(gateway, upstream, b'HTTP/1.1 304 Not Modified\r\nETag: "3"\r\n\r\n')
    head, body = await send(running, "GET /people/alice", 'If-None-Match: "3"')
    assert (head[:12], body) == (b"http/1.1 304", b"")


async def test_a_huge_answer_is_refused(gateway: Any, upstream: Any) -> None:
    huge = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 900000\r\n\r\n" + b"x" * 900_000
    running, _ = await start(gateway, upstream, huge)
    head, body = await send(running, "GET /people/alice")
    assert head.startswith(b"http/1.1 502")
    assert json.loads(body)["reason"] == "answer_too_large_to_inspect"


async def test_what_is_refused_never_reaches_the_service(gateway: Any, upstream: Any) -> None:
    running, reading = await start(gateway, upstream, xml(GOOD))
    for line, status in (("GET /people/A", 400), ("PUT /people/a", 405), ("GET /people/a/b", 404)):
        head, _ = await send(running, line)
        assert head.startswith(f"http/1.1 {status}".encode())
    head, _ = await send(running, "DELETE /people/alice", "Content-Type: application/json", body=b"{}")
    assert head.startswith(b"http/1.1 400")
    assert reading.shop.seen == []


async def test_the_document_is_served(gateway: Any, upstream: Any) -> None:
    running, reading = await start(gateway, upstream, xml(GOOD))
    head, body = await send(running, "GET /people/openapi.json")
    assert b"content-type: application/json" in head
    assert json.loads(body)["info"]["title"] == "people"
    head, nothing = await send(running, "HEAD /people/openapi.json")
    assert (head[:12], nothing) == (b"http/1.1 200", b"")
    assert reading.shop.seen == []


async def test_a_stored_query_is_asked_and_its_part_answered(gateway: Any, upstream: Any) -> None:
    data = b'{"data": {"product": {"id": "a"}}}'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: max-age=9\r\n"
    running, reading = await start(gateway, upstream, head + b"Content-Length: %d\r\n\r\n%b" % (len(data), data))
    head, body = await send(running, "GET /one/a?short=true")
    assert (head[:12], body) == (b"http/1.1 200", b'{"id":"a"}')
    assert b"cache-control: max-age=9" in head
    assert reading.shop.seen[0].startswith(b"POST /graphql HTTP/1.1\r\n")
    assert json.loads(reading.bodies[0])["variables"] == {"id": "a", "short": True}


async def test_a_reload_keeps_it_and_sees_other_files(gateway: Any, upstream: Any, tmp_path: Path) -> None:
    running, reading = await start(gateway, upstream, xml(GOOD))
    before = dict(running.worker.snapshot.filters)
    running.apply(config(reading.shop.address))
    kept = [one for place, one in running.worker.snapshot.filters.items() if before[place] is one]
    assert len(kept) == len(before)


async def test_an_explanation_says_what_it_would_become(gateway: Any, upstream: Any) -> None:
    running, _ = await start(gateway, upstream, xml(GOOD))
    asked = {"method": "GET", "target": "/people/alice", "listener": "public"}
    told = await explain(running.worker.snapshot, asked)
    details = {one["filter"]: one["detail"] for one in told["steps"]}
    assert details["SoapToRest"].startswith("ReadProfile: takes username from the path; POST /soap with ")
    assert details["SoapGuard"].startswith("ReadProfile: ")
    refused = await explain(running.worker.snapshot, {**asked, "target": "/people/alice?x=1"})
    assert refused["reason"] == "rest_invalid"


async def test_a_safe_request_is_sent_again_when_a_kept_connection_closes(gateway: Any, upstream: Any) -> None:
    bodies: list[bytes] = []

    async def once_each(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = next(int(line[15:]) for line in shop.seen[-1].split(b"\r\n") if line.startswith(b"content-length:"))
        bodies.append(await reader.readexactly(length))
        if len(bodies) == 2:
            writer.transport.abort()  # the second request on the first connection
            return
        writer.write(xml(GOOD))
        await writer.drain()

    shop = await upstream(once_each)
    running = await gateway(config(shop.address))
    for _ in range(2):
        head, _ = await send(running, "GET /people/alice")
        assert head.startswith(b"http/1.1 200")
    assert (shop.connections, len(set(bodies)), len(bodies)) == (2, 1, 3)
    assert running.total("gateway_stale_connection_retries_total") == 1


async def test_a_handshake_is_an_ordinary_request(gateway: Any, upstream: Any) -> None:
    running, reading = await start(gateway, upstream, xml(GOOD))
    reader, writer = await asyncio.open_connection("127.0.0.1", running.ports["public"])
    writer.write(
        b"GET /people/alice HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    writer.close()
    assert head.startswith(b"HTTP/1.1 200")
    assert b"upgrade" not in reading.shop.seen[0].lower()


async def cached(gateway: Any, upstream: Any) -> tuple[Any, Reading]:
    """The SOAP service behind compression, a cache and mediation, without its guard."""
    reading = Reading(xml(GOOD, more=b"Cache-Control: max-age=60\r\n"))
    reading.shop = await upstream(reading)
    text = config(reading.shop.address).replace(f"      - {{type: SoapGuard, wsdl: {WSDL}}}\n", "")
    front = "    filters:\n      - {type: Compression, minBytes: 1}\n      - {type: Cache, cache: one}\n"
    return await gateway("caches: [{name: one}]\n" + text.replace("    filters:\n", front, 1).lstrip()), reading


async def test_a_cache_in_front_keeps_the_json(gateway: Any, upstream: Any) -> None:
    running, reading = await cached(gateway, upstream)
    answers = [await send(running, f"{method} /people/alice") for method in ("GET", "GET", "HEAD")]
    assert [body for _, body in answers] == [answers[0][1], answers[0][1], b""]
    assert json.loads(answers[1][1])["username"] == "alice"
    assert all(head.startswith(b"http/1.1 200") and b"application/json" in head for head, _ in answers)
    assert len(reading.shop.seen) == 1


async def test_a_head_that_misses_the_cache_is_mediated(gateway: Any, upstream: Any) -> None:
    running, _ = await cached(gateway, upstream)
    head, nothing = await send(running, "HEAD /people/alice", "Accept-Encoding: gzip")
    assert (head[:12], nothing) == (b"http/1.1 200", b"")
    _, body = await send(running, "GET /people/alice")
    assert json.loads(body)["username"] == "alice"
    head, body = await send(running, "GET /people/alice", "Accept-Encoding: gzip")
    assert b"content-encoding: gzip" in head
    assert json.loads(gzip.decompress(body))["username"] == "alice"


async def test_refusals_are_not_answered_from_the_cache(gateway: Any, upstream: Any) -> None:
    running, _ = await cached(gateway, upstream)
    assert (await send(running, "GET /people/alice"))[0].startswith(b"http/1.1 200")
    assert (await send(running, "GET /people/alice?x=1"))[0].startswith(b"http/1.1 400")
