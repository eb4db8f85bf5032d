"""Copies of requests: what they carry, when there is none, and that the client never notices."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from gateway.roles.explain import explain
from tests.gateway.roles.test_exchange import OK, last, problem, split, statuses
from tests.waiting import until

BAD = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
TOTAL = "gateway_mirrored_requests_total"


def config(main: str, copies: str, mirror: str = "", filters: str = "", cluster: str = "") -> str:
    return f"""
listeners: [{{name: public, port: 0}}]
clusters:
  - {{name: v1, endpoints: ["{main}"]}}
  - {{name: v2, endpoints: ["{copies}"]{cluster}}}
routes:
  - name: everything
    public: true
    backendRefs: [{{cluster: v1}}]
    filters: [{{type: RequestMirror, cluster: v2{mirror}}}{filters}]
"""


class Reader:
    """An upstream that reads whole requests and keeps their bodies."""

    def __init__(self, answer: bytes = OK) -> None:
        self.answer = answer
        self.bodies: list[bytes] = []
        self.pieces = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = self.upstream.seen[-1].lower()
        if b"transfer-encoding: chunked" in head:
            body = b""
            while size := int(await reader.readuntil(b"\r\n"), 16):
                body += (await reader.readexactly(size + 2))[:-2]
                self.pieces += 1
            await reader.readuntil(b"\r\n")
        else:
            length = re.search(rb"content-length: (\d+)", head)
            body = await reader.readexactly(int(length[1])) if length else b""
        self.bodies.append(body)
        writer.write(self.answer)

    @classmethod
    async def start(cls, upstream: Any, answer: bytes = OK) -> Reader:
        one = cls(answer)
        one.upstream = await upstream(one)
        return one

    upstream: Any

    @property
    def address(self) -> str:
        return str(self.upstream.address)

    def fields(self) -> dict[str, str]:
        lines = self.upstream.seen[-1].decode("latin-1").rstrip().split("\r\n")[1:]
        return {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}


async def until_copied(edge: Any, number: int) -> None:
    await until(lambda: edge.total(TOTAL, result="2xx") == number)


async def test_a_copy_says_what_it_is_and_carries_no_credentials(upstream: Any, gateway: Any) -> None:
    v1, v2 = await Reader.start(upstream), await Reader.start(upstream, BAD)
    edge = await gateway(config(v1.address, v2.address))
    secrets = ("Authorization: Bearer abc", "Cookie: session=1", "X-Kept: yes", "X-Gatehouse-Mirror: forged")
    assert split(await edge.raw(last("/a?b=c", *secrets)))[0] == 200
    await until(lambda: edge.total(TOTAL, result="5xx") == 1)
    assert v2.upstream.seen[0].startswith(b"GET /a?b=c HTTP/1.1\r\nhost: gateway.test\r\n")
    copied, sent = v2.fields(), v1.fields()
    assert copied["x-gatehouse-mirror"] == "everything"
    assert copied["x-kept"] == "yes"
    assert not copied.keys() & {"authorization", "cookie"}
    assert sent["authorization"] == "Bearer abc"
    assert "x-gatehouse-mirror" not in sent  # nor could the client write it
    assert copied["x-request-id"] == sent["x-request-id"]
    assert copied["traceparent"].split("-")[1] == sent["traceparent"].split("-")[1]
    assert edge.total("http_client_request_duration_seconds_count", gateway_cluster="v2") == 1


async def test_credentials_go_along_when_that_is_said(upstream: Any, gateway: Any) -> None:
    v1, v2 = await Reader.start(upstream), await Reader.start(upstream)
    edge = await gateway(config(v1.address, v2.address, ", withhold: [x-kept]"))
    await edge.raw(last("/", "Authorization: Bearer abc", "X-Kept: no"))
    await until(lambda: edge.total(TOTAL, result="2xx") == 1)
    assert v2.fields()["authorization"] == "Bearer abc"
    assert "x-kept" not in v2.fields()


async def test_a_streamed_body_is_copied_whole_and_not_held_up(upstream: Any, gateway: Any) -> None:
    """The second piece is only sent when the service has the first: a buffer in between would wait for ever."""
    v1, v2 = await Reader.start(upstream), await Reader.start(upstream)
    edge = await gateway(config(v1.address, v2.address))
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.ports["public"])
    writer.write(last("/", "Transfer-Encoding: chunked", method="POST") + b"5\r\nfirst\r\n")
    await until(lambda: v1.pieces == 1)
    assert not v2.upstream.seen
    writer.write(b"6\r\nsecond\r\n0\r\n\r\n")
    assert statuses(await reader.read()) == [200]
    writer.close()
    await until(lambda: edge.total(TOTAL, result="2xx") == 1)
    assert v1.bodies == v2.bodies == [b"firstsecond"]


async def test_a_body_that_another_filter_has_read_is_copied_too(upstream: Any, gateway: Any) -> None:
    v1, v2 = await Reader.start(upstream), await Reader.start(upstream)
    guard = ", {type: GraphQLGuard}"
    edge = await gateway(config(v1.address, v2.address, filters=guard))
    query = b'{"query": "{ products { name } }"}'
    lines = (f"Content-Length: {len(query)}", "Content-Type: application/json")
    assert split(await edge.raw(last("/", *lines, method="POST") + query))[0] == 200
    await until(lambda: edge.total(TOTAL, result="2xx") == 1)
    assert v1.bodies == v2.bodies == [query]


@pytest.mark.parametrize("framing", ["Content-Length: 9", "Transfer-Encoding: chunked"])
async def test_a_larger_body_is_not_copied_and_goes_through(upstream: Any, gateway: Any, framing: str) -> None:
    v1, v2 = await Reader.start(upstream), await Reader.start(upstream)
    edge = await gateway(config(v1.address, v2.address, ", maxBodyBytes: 8"))
    body = b"123456789" if "Length" in framing else b"5\r\n12345\r\n4\r\n6789\r\n0\r\n\r\n"
    assert split(await edge.raw(last("/", framing, method="POST") + body))[0] == 200
    assert v1.bodies == [b"123456789"]
    assert edge.total(TOTAL, result="too_large") == 1
    assert not v2.upstream.seen


async def test_what_is_refused_is_not_copied(upstream: Any, gateway: Any) -> None:
    """Wherever the mirror stands in the chain."""
    v1, v2 = await Reader.start(upstream), await Reader.start(upstream)
    limit = ", {type: RateLimit, requests: 1, per: 1h}"
    edge = await gateway(config(v1.address, v2.address, filters=limit))
    assert statuses(await edge.raw(last())) == [200]
    assert problem(await edge.raw(last()))["reason"] == "rate_limited"
    await until(lambda: edge.total(TOTAL) == 1)
    assert len(v2.upstream.seen) == 1


async def test_later_filters_change_the_copy_too(upstream: Any, gateway: Any) -> None:
    v1, v2 = await Reader.start(upstream), await Reader.start(upstream)
    later = ", {type: RequestHeaderModifier, set: [{name: x-set, value: later}]}"
    edge = await gateway(config(v1.address, v2.address, filters=later))
    await edge.raw(last())
    await until(lambda: edge.total(TOTAL) == 1)
    assert v2.fields()["x-set"] == "later"


async def test_nobody_there_is_not_noticed(upstream: Any, gateway: Any) -> None:
    v1 = await Reader.start(upstream)
    edge = await gateway(config(v1.address, "127.0.0.1:1"))
    assert split(await edge.raw(last()))[0] == 200
    await until(lambda: edge.total(TOTAL, result="failed") == 1)


async def test_a_copy_that_is_not_answered_holds_up_nobody_and_ends(upstream: Any, gateway: Any) -> None:
    async def hang(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    v1, v2 = await Reader.start(upstream), await upstream(hang)
    edge = await gateway(config(v1.address, v2.address, ", timeout: 200ms, maxRequests: 1"))
    assert split(await edge.raw(last()))[0] == 200
    assert edge.total(TOTAL) == 0  # it is under way still
    assert split(await edge.raw(last()))[0] == 200
    assert edge.total(TOTAL, result="overflow") == 1
    await until(lambda: edge.total(TOTAL, result="timeout") == 1)
    (mirror,) = edge.worker.snapshot.filters.values()
    assert mirror.copies == 0
    await until(lambda: edge.worker.snapshot.clusters["v2"].connections == 0)


async def test_time_is_up_while_it_waits_for_a_connection(upstream: Any, gateway: Any) -> None:
    async def hang(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    v1, v2 = await Reader.start(upstream), await upstream(hang)
    second = ", {type: RequestMirror, cluster: v2, timeout: 200ms}"
    edge = await gateway(config(v1.address, v2.address, ", timeout: 200ms", second, ", maxConnections: 1"))
    assert split(await edge.raw(last()))[0] == 200
    cluster = edge.worker.snapshot.clusters["v2"]
    assert len(cluster.pending) == 1
    await until(lambda: edge.total(TOTAL, result="timeout") == 2)
    # Between the end of the first and its own the second may have begun to connect: that connection is kept, unused.
    await until(lambda: not any(one.active or one.connecting for one in cluster.endpoints))
    assert not cluster.pending
    assert v2.connections == 1 + cluster.connections


async def test_connections_are_kept(upstream: Any, gateway: Any) -> None:
    v1, v2 = await Reader.start(upstream), await Reader.start(upstream)
    edge = await gateway(config(v1.address, v2.address))
    for number in range(1, 4):
        assert split(await edge.raw(last()))[0] == 200
        await until_copied(edge, number)
    assert v2.upstream.connections == 1


async def test_a_kept_connection_that_closed_unused_is_made_good(upstream: Any, gateway: Any) -> None:
    async def closes_under_the_second(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        if len(v2.seen) == 1:
            await reader.readuntil(b"\r\n\r\n")
            writer.close()

    v1, v2 = await Reader.start(upstream), await upstream(closes_under_the_second)
    edge = await gateway(config(v1.address, v2.address))
    for number in range(1, 3):
        assert split(await edge.raw(last()))[0] == 200
        await until_copied(edge, number)
    assert v2.connections == 2


async def test_a_body_that_breaks_off_leaves_nothing_behind(upstream: Any, gateway: Any) -> None:
    v1, v2 = await Reader.start(upstream), await Reader.start(upstream)
    edge = await gateway(config(v1.address, v2.address))
    _, writer = await asyncio.open_connection("127.0.0.1", edge.ports["public"])
    writer.write(last("/", "Content-Length: 10", method="POST") + b"half")
    await until(lambda: v1.upstream.seen)
    writer.close()
    await until(lambda: edge.total(TOTAL, result="abandoned") == 1)
    (mirror,) = edge.worker.snapshot.filters.values()
    assert mirror.copies == 0
    assert not v2.upstream.seen


async def test_a_share_of_the_requests(upstream: Any, gateway: Any) -> None:
    v1, v2 = await Reader.start(upstream), await Reader.start(upstream)
    edge = await gateway(config(v1.address, v2.address, ", percent: 25"))
    for _ in range(80):
        await edge.raw(last())
    await until(lambda: edge.total(TOTAL, result="2xx") == len(v2.upstream.seen))
    assert 8 <= len(v2.upstream.seen) <= 32


async def test_two_mirrors_make_two_copies(upstream: Any, gateway: Any) -> None:
    v1, v2 = await Reader.start(upstream), await Reader.start(upstream)
    edge = await gateway(config(v1.address, v2.address, filters=", {type: RequestMirror, cluster: v2, withhold: []}"))
    await edge.raw(last("/", "Cookie: a=b"))
    await until(lambda: edge.total(TOTAL, result="2xx") == 2)
    assert sorted(b"cookie" in seen.lower() for seen in v2.upstream.seen) == [False, True]


async def test_a_handshake_is_not_copied(upstream: Any, gateway: Any) -> None:
    v1, v2 = await Reader.start(upstream, BAD), await Reader.start(upstream)
    edge = await gateway(config(v1.address, v2.address))
    lines = ("Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
    data = "\r\n".join(("GET / HTTP/1.1", "Host: a", "Connection: upgrade", *lines, "", "")).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.ports["public"])
    writer.write(data)
    assert b"500" in await reader.readuntil(b"\r\n\r\n")
    writer.close()
    (mirror,) = edge.worker.snapshot.filters.values()
    assert (mirror.copies, edge.total(TOTAL)) == (0, 0)


async def test_explain_names_the_copy_and_makes_none(upstream: Any, gateway: Any) -> None:
    v1, v2 = await Reader.start(upstream), await Reader.start(upstream)
    edge = await gateway(config(v1.address, v2.address, ", percent: 10"))
    told = await explain(edge.worker.snapshot, {"method": "GET", "target": "/"})
    assert told["steps"][0]["detail"] == "a copy of 10 % goes to v2, without authorization, cookie, dpop"
    assert not v2.upstream.seen
