"""Raw bytes through a real gateway: what the upstream receives, what the client receives."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Service: yes\r\nKeep-Alive: timeout=5\r\n\r\nhello"


def config(address: str, extra: str = "", route_extra: str = "", listener_extra: str = "") -> str:
    return f"""
listeners:
  - {{name: public, port: 0{listener_extra}}}
clusters:
  - {{name: shop, endpoints: ["{address}"]}}
routes:
  - name: everything
    public: true
    matches: [{{path: {{value: /shop}}}}]
    backendRefs: [{{cluster: shop}}]
{route_extra}
{extra}
"""


def get(path: str = "/shop/1", *fields: str, method: str = "GET") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: gateway.test", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def last(path: str = "/shop/1", *fields: str, method: str = "GET") -> bytes:
    return get(path, "Connection: close", *fields, method=method)


def split(answer: bytes) -> tuple[int, dict[str, str], bytes]:
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines[1:])
    return int(lines[0].split(" ")[1]), {name.lower(): value for name, value in fields.items()}, body


def statuses(answer: bytes) -> list[int]:
    return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


def problem(answer: bytes) -> dict[str, Any]:
    status, fields, body = split(answer)
    found: dict[str, Any] = json.loads(body)
    assert fields["content-type"] == "application/problem+json"
    assert found["status"] == status
    return found


async def test_a_request_goes_through(upstream: Any, gateway: Any) -> None:
    shop = await upstream(OK)
    edge = await gateway(config(shop.address))
    answer = await edge.raw(
        last("/shop/1?x=1", "X-Forwarded-For: 6.6.6.6", "X-Own: 1", "TE: trailers", "Via: 1.0 before")
    )
    status, fields, body = split(answer)
    assert (status, body, fields["x-service"]) == (200, b"hello", "yes")
    assert "keep-alive" not in fields
    assert fields["via"] == "1.1 gatehouse"
    sent = shop.seen[0].decode()
    assert sent.startswith("GET /shop/1?x=1 HTTP/1.1\r\nhost: gateway.test\r\n")
    assert "x-own: 1" in sent
    assert "te:" not in sent
    assert "6.6.6.6" not in sent
    assert sent.index("via: 1.0 before\r\n") < sent.index("via: 1.1 gatehouse\r\n")
    assert "x-forwarded-for: 127.0.0.1\r\n" in sent
    assert f"x-request-id: {fields['x-request-id']}\r\n" in sent
    trace_id = fields["traceresponse"].split("-")[1]
    assert f"traceparent: 00-{trace_id}-" in sent


SENT = [
    "X-Request-Id: from-our-proxy",
    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "tracestate: a=1",
    "tracestate: b=2",
    "X-Forwarded-For: 6.6.6.6, 192.0.2.7",
]


async def test_strangers_start_a_trace_of_their_own(upstream: Any, gateway: Any) -> None:
    shop = await upstream(OK)
    edge = await gateway(config(shop.address))
    answer = await edge.raw(last("/shop", *SENT))
    for told in (b"from-our-proxy", b"0af7651916cd43dd8448eb211c80319c", b"tracestate", b"192.0.2.7"):
        assert told not in shop.seen[0]
        assert told not in answer


async def test_a_trusted_proxy_is_believed(upstream: Any, gateway: Any) -> None:
    shop = await upstream(OK)
    edge = await gateway(config(shop.address, listener_extra=", trustedHops: 1"))
    _, fields, _ = split(await edge.raw(last("/shop", *SENT)))
    assert fields["x-request-id"] == "from-our-proxy"
    assert fields["traceresponse"].startswith("00-0af7651916cd43dd8448eb211c80319c-")
    assert b"x-request-id: from-our-proxy\r\n" in shop.seen[0]
    assert b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-" in shop.seen[0]
    assert b"tracestate: a=1,b=2\r\n" in shop.seen[0]
    assert b"x-forwarded-for: 192.0.2.7\r\n" in shop.seen[0]
    assert b"6.6.6.6" not in shop.seen[0]


async def test_what_a_trusted_proxy_garbles_counts_as_absent(upstream: Any, gateway: Any) -> None:
    shop = await upstream(OK)
    edge = await gateway(config(shop.address, listener_extra=", trustedHops: 1"))
    garbled = ["X-Request-Id: a b", SENT[1], SENT[1], "tracestate: a=1", "X-Forwarded-For: nonsense"]
    _, fields, _ = split(await edge.raw(last("/shop", *garbled)))
    assert fields["x-request-id"] != "a b"
    assert b"0af7651916cd43dd8448eb211c80319c" not in shop.seen[0]
    assert b"tracestate" not in shop.seen[0]
    assert b"x-forwarded-for: 127.0.0.1\r\n" in shop.seen[0]


async def test_baggage_goes_on_within_bounds(upstream: Any, gateway: Any) -> None:
    shop = await upstream(OK)
    edge = await gateway(config(shop.address))
    await edge.raw(get("/shop", "baggage: tenant=a") + last("/shop", f"baggage: a={'x' * 9_000}"))
    assert b"baggage: tenant=a\r\n" in shop.seen[0]
    assert b"baggage" not in shop.seen[1]


async def test_connections_are_kept_on_both_sides(upstream: Any, gateway: Any) -> None:
    shop = await upstream(OK)
    edge = await gateway(config(shop.address))
    answer = await edge.raw(get() + get() + last())
    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert answer.count(b"hello") == 3
    assert (len(shop.seen), shop.connections) == (3, 1)


async def test_pipelined_requests_are_answered_in_order(upstream: Any, gateway: Any) -> None:
    async def echo_path(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = shop.seen[-1].split(b" ")[1]
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(path), path))

    shop = await upstream(echo_path)
    edge = await gateway(config(shop.address))
    answer = await edge.raw(b"".join(get(f"/shop/{n}") for n in range(20)) + last("/shop/20"))
    places = [answer.index(b"\r\n\r\n/shop/%d" % n) for n in range(21)]
    assert places == sorted(places)


async def test_no_route_is_told(upstream: Any, gateway: Any) -> None:
    shop = await upstream(OK)
    edge = await gateway(config(shop.address))
    found = problem(await edge.raw(last("/elsewhere")))
    assert (found["status"], found["reason"]) == (404, "no_route")
    assert len(found["trace_id"]) == 32
    assert shop.seen == []
    assert edge.total("gateway_local_replies_total", reason="no_route") == 1


@pytest.mark.parametrize(
    ("raw", "status", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400, "host_missing"),
        (b"BLARGH\r\n\r\n", 400, "malformed_request_line"),
        (b"GET /%2e%2e/x HTTP/1.1\r\nHost: a\r\n\r\n", 400, "path_dot_segment"),
        (b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414, "target_too_long"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 40_000 + b"\r\n\r\n", 431, "fields_too_large"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n", 413, "body_too_large"),
    ],
)
async def test_hostile_heads(upstream: Any, gateway: Any, raw: bytes, status: int, reason: str) -> None:
    shop = await upstream(OK)
    edge = await gateway(config(shop.address))
    answer = await edge.raw(raw + get())
    found = problem(answer)
    assert (found["status"], found["reason"]) == (status, reason)
    assert b"connection: close" in answer
    assert len(statuses(answer)) == 1
    assert edge.total("gateway_protocol_refusals_total", reason=reason) == 1
    assert shop.seen == []


async def test_a_body_streams_up(upstream: Any, gateway: Any) -> None:
    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = await reader.readexactly(3_000_000)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n%07d" % len(body))

    shop = await upstream(count)
    edge = await gateway(config(shop.address))
    answer = await edge.raw(last("/shop/1", "Content-Length: 3000000", method="POST") + b"x" * 3_000_000)
    assert split(answer)[2] == b"3000000"


async def test_a_chunked_body_streams_up_and_down(upstream: Any, gateway: Any) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = await reader.readuntil(b"0\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)

    shop = await upstream(echo)
    edge = await gateway(config(shop.address))
    request = last("/shop/1", "Transfer-Encoding: chunked", method="POST")
    answer = await edge.raw(request + b"5;ext=1\r\nhello\r\n1\r\n!\r\n0\r\nTrailer: x\r\n\r\n")
    assert b"transfer-encoding: chunked" in shop.seen[0]
    body = split(answer)[2]
    assert b"hello" in body
    assert body.endswith(b"0\r\n\r\n")
    assert b"ext" not in body
    assert b"Trailer" not in answer


async def test_an_answer_without_length_is_chunked_for_11_and_closed_for_10(upstream: Any, gateway: Any) -> None:
    async def until_close(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nto the end")
        writer.close()

    shop = await upstream(until_close)
    edge = await gateway(config(shop.address))
    assert split(await edge.raw(last()))[2].endswith(b"0\r\n\r\n")
    status, fields, body = split(await edge.raw(b"GET /shop HTTP/1.0\r\nHost: a\r\n\r\n"))
    assert (status, body) == (200, b"to the end")
    assert "transfer-encoding" not in fields


async def test_head_204_and_304_have_no_body(upstream: Any, gateway: Any) -> None:
    async def by_path(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        status = shop.seen[-1].split(b" ")[1].split(b"/")[-1]
        length = b"" if status == b"204" else b"Content-Length: 99\r\n"
        writer.write(b"HTTP/1.1 %b X\r\n%b\r\n" % (status, length))

    shop = await upstream(by_path)
    edge = await gateway(config(shop.address))
    answer = await edge.raw(get("/shop/200", method="HEAD") + get("/shop/204") + get("/shop/304") + last("/shop/204"))
    assert statuses(answer) == [200, 204, 304, 204]
    assert answer.count(b"content-length: 99") == 2
    assert b"content-length: 0" not in answer
    assert shop.connections == 1


async def test_expect_continue(upstream: Any, gateway: Any) -> None:
    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(4)
        writer.write(OK)

    shop = await upstream(take)
    edge = await gateway(config(shop.address))
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.ports["public"])
    writer.write(last("/shop", "Content-Length: 4", "Expect: 100-continue", method="POST"))
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"body")
    assert split(await reader.read())[0] == 200
    assert b"expect" not in shop.seen[0]
    writer.close()


async def test_an_upstream_that_is_not_there(gateway: Any, unused_tcp_port: int) -> None:
    edge = await gateway(config(f"127.0.0.1:{unused_tcp_port}"))
    found = problem(await edge.raw(last()))
    assert (found["status"], found["reason"]) == (503, "upstream_connect_failure")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(b"", "upstream_reset"), (b"garbage\r\n\r\n", "upstream_protocol_error")],
)
async def test_an_upstream_that_breaks_before_the_head(upstream: Any, gateway: Any, answer: bytes, reason: str) -> None:
    async def breaks(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    shop = await upstream(breaks)
    edge = await gateway(config(shop.address))
    found = problem(await edge.raw(last()))
    assert (found["status"], found["reason"]) == (502, reason)


@pytest.mark.parametrize(
    "begun",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nonly this",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ],
)
async def test_an_answer_cut_short_never_looks_complete(upstream: Any, gateway: Any, begun: bytes) -> None:
    async def cut(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(begun)
        writer.close()

    shop = await upstream(cut)
    edge = await gateway(config(shop.address))
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.ports["public"])
    writer.write(get())
    received = b""
    try:
        while piece := await reader.read(1000):
            received += piece
    except ConnectionResetError:
        pass  # one of the two ways in which a client sees the break
    assert not received.endswith(b"0\r\n\r\n")
    assert edge.total("gateway_broken_answers_total", reason="upstream_reset") == 1
    writer.close()


async def test_a_broken_answer_is_reset_even_where_the_end_would_end_it(upstream: Any, gateway: Any) -> None:
    async def cut(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await writer.drain()
        await asyncio.wait_for(received.wait(), 5)
        writer.close()

    received = asyncio.Event()
    shop = await upstream(cut)
    edge = await gateway(config(shop.address))
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.ports["public"])
    writer.write(b"GET /shop HTTP/1.0\r\nHost: a\r\n\r\n")
    await reader.readuntil(b"hello")
    received.set()
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()


async def test_a_kept_connection_that_closed_is_no_failure(upstream: Any, gateway: Any) -> None:
    async def once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(shop.seen) == 2:  # the second request on this connection: close without a word
            writer.close()
        else:
            writer.write(OK)

    shop = await upstream(once)
    edge = await gateway(config(shop.address))
    answer = await edge.raw(get() + last())
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert edge.total("gateway_stale_connection_retries_total") == 1


async def test_a_post_is_never_sent_twice(upstream: Any, gateway: Any) -> None:
    async def once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(shop.seen) == 2:
            writer.close()
        else:
            writer.write(OK)

    shop = await upstream(once)
    edge = await gateway(config(shop.address))
    answer = await edge.raw(get() + last("/shop", "Content-Length: 0", method="POST"))
    assert b"HTTP/1.1 502 Bad Gateway" in answer
    assert len(shop.seen) == 2


async def test_times_out(upstream: Any, gateway: Any) -> None:
    async def never(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    shop = await upstream(never)
    edge = await gateway(config(shop.address, route_extra="    timeouts: {request: 5s, backendRequest: 100ms}"))
    found = problem(await edge.raw(last()))
    assert (found["status"], found["reason"]) == (504, "upstream_timeout")
    edge.apply(config(shop.address, route_extra="    timeouts: {request: 100ms}"))
    found = problem(await edge.raw(last()))
    assert (found["status"], found["reason"]) == (504, "request_timeout")


async def test_a_slow_head_gets_408(upstream: Any, gateway: Any) -> None:
    shop = await upstream(OK)
    edge = await gateway(config(shop.address, listener_extra=", headerTimeout: 100ms"))
    answer = await edge.raw(b"GET /shop HTTP/1.1\r\nHost: a\r\n")
    assert problem(answer)["reason"] == "header_timeout"


@pytest.mark.parametrize(("rate", "reason"), [(1_000, "body_too_slow"), (0, "request_timeout")])
async def test_a_body_must_keep_up_a_rate(upstream: Any, gateway: Any, rate: int, reason: str) -> None:
    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    shop = await upstream(take)
    limits = f", bodyGrace: 100ms, minBodyRate: {rate}"
    edge = await gateway(config(shop.address, listener_extra=limits, route_extra="    timeouts: {request: 1s}"))
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.ports["public"])
    writer.write(get("/shop", "Content-Length: 100000", method="POST"))
    answer = asyncio.create_task(reader.read())
    while not answer.done():  # one byte every ten milliseconds: 100 bytes a second
        writer.write(b"x")
        await asyncio.sleep(0.01)
    assert problem(answer.result())["reason"] == reason
    writer.close()


async def test_a_slow_upstream_is_not_the_clients_fault(upstream: Any, gateway: Any) -> None:
    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.8)
        await reader.readexactly(8_000_000)
        writer.write(OK)

    shop = await upstream(late)
    edge = await gateway(config(shop.address, listener_extra=", bodyGrace: 400ms, minBodyRate: 100000000"))
    request = last("/shop", "Content-Length: 8000000", method="POST")
    assert split(await edge.raw(request + b"x" * 8_000_000))[0] == 200


async def test_an_idle_connection_is_closed_without_a_word(upstream: Any, gateway: Any) -> None:
    shop = await upstream(OK)
    edge = await gateway(config(shop.address, listener_extra=", idleTimeout: 100ms"))
    answer = await edge.raw(get())
    assert answer.endswith(b"hello")
    assert answer.count(b"HTTP/1.1") == 1


async def test_a_client_that_leaves_stops_the_upstream(upstream: Any, gateway: Any) -> None:
    left = asyncio.Event()

    async def wait_for_eof(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.read() == b""
        left.set()

    shop = await upstream(wait_for_eof)
    edge = await gateway(config(shop.address))
    _, writer = await asyncio.open_connection("127.0.0.1", edge.ports["public"])
    writer.write(get())
    while not shop.seen:
        await asyncio.sleep(0.001)
    writer.close()
    await asyncio.wait_for(left.wait(), 5)
    assert edge.total("gateway_clients_gone_total") == 1
    assert not edge.worker.exchanges


async def test_a_slow_reader_holds_the_upstream_back(upstream: Any, gateway: Any) -> None:
    total = 50_000_000

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        for piece in [b"x" * 100_000] * (total // 100_000):
            writer.write(piece)
            await writer.drain()
            sent.append(100_000)

    sent: list[int] = []
    shop = await upstream(flood)
    edge = await gateway(config(shop.address))
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.ports["public"], limit=65_536)
    writer.write(get())
    await reader.readuntil(b"\r\n\r\n")
    before = -1
    while sum(sent) != before:  # until nothing moves any more
        before = sum(sent)
        await asyncio.sleep(0.2)
    assert before < total / 2
    received = 0
    while received < total:
        received += len(await reader.read(1_000_000))
    assert received == total
    writer.close()


async def test_memory_of_an_early_flood_is_bounded(upstream: Any, gateway: Any) -> None:
    async def never(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    shop = await upstream(never)
    edge = await gateway(config(shop.address))
    _, writer = await asyncio.open_connection("127.0.0.1", edge.ports["public"])
    writer.write(get())
    accepted = 0
    for _ in range(400):
        writer.write(get() * 1000)
        accepted += 1
        try:
            await asyncio.wait_for(writer.drain(), 0.2)
        except TimeoutError:
            break
    assert accepted < 400
    (connection,) = edge.listeners["public"].connections
    assert len(connection._buffer) < 1_000_000
    writer.transport.abort()


async def test_an_early_answer_keeps_the_connection_when_the_body_is_short(upstream: Any, gateway: Any) -> None:
    shop = await upstream(OK)
    edge = await gateway(config(shop.address))
    answer = await edge.raw(get("/none", "Content-Length: 5", method="POST") + b"abcde" + last())
    assert statuses(answer) == [404, 200]
    assert b"abcde" not in b"".join(shop.seen)


async def test_a_chunked_body_that_grows_too_large(upstream: Any, gateway: Any) -> None:
    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    shop = await upstream(never)
    edge = await gateway(config(shop.address, listener_extra=", maxBodyBytes: 1000"))
    request = get("/shop", "Transfer-Encoding: chunked", method="POST")
    answer = await edge.raw(request + (b"64\r\n" + b"x" * 100 + b"\r\n") * 11)
    assert problem(answer)["reason"] == "body_too_large"


async def test_an_answer_before_the_body_ends_does_not_reuse_the_connection(upstream: Any, gateway: Any) -> None:
    """A connection left in the middle of a request body must not carry the next request (smuggling)."""
    shop = await upstream(OK)
    edge = await gateway(config(shop.address))
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.ports["public"])
    writer.write(get("/shop", "Content-Length: 60", method="POST"))
    await reader.readuntil(b"hello")
    writer.write(b"GET /shop/smuggled HTTP/1.1\r\nHost: a\r\n\r\n".ljust(60))
    writer.write(last("/shop/next"))
    rest = await reader.read()
    assert rest.startswith(b"HTTP/1.1 200 OK")
    assert [head.split(b" ")[1] for head in shop.seen] == [b"/shop", b"/shop/next"]
    assert shop.connections == 2
    writer.close()


async def test_every_request_is_logged_once(upstream: Any, gateway: Any) -> None:
    shop = await upstream(OK)
    edge = await gateway(config(shop.address))
    await edge.raw(get() + last("/none?token=secret"))
    edge.worker.access_log.flush()
    lines = [json.loads(line) for line in edge.worker.access_log.path.read_text().splitlines()]
    assert [(line["status"], line["route"], line["reason"]) for line in lines] == [
        (200, "everything", ""),
        (404, "", "no_route"),
    ]
    assert lines[0]["upstream_endpoint"] == shop.address
    assert "secret" not in str(lines)
    assert edge.total("http_server_request_duration_seconds_count") == 2
