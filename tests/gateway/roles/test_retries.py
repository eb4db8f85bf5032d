"""Tries that fail, with real sockets: what is sent again, where to, what the client gets, and that it stays bounded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from tests.gateway.roles.test_exchange import OK, get, last, problem, split, statuses

BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\nX-From: busy\r\n\r\nbusy"
RETRY = "{attempts: 1, on: [gateway-error]}"


def config(
    addresses: str | Sequence[str], retry: str = RETRY, route: str = "", cluster: str = "", filters: str = "[]"
) -> str:
    listed = [addresses] if isinstance(addresses, str) else list(addresses)
    return f"""
listeners: [{{name: public, port: 0}}]
clusters:
  - {{name: shop, endpoints: {json.dumps(listed)}, loadBalancing: round_robin{cluster}}}
routes:
  - name: everything
    public: true
    retry: {retry}
    filters: {filters}
    backendRefs: [{{cluster: shop}}]
{route}
"""


class Script:
    """An endpoint that answers its requests by a list, one after the other, and keeps their bodies."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.bodies: list[bytes] = []
        self.length = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.length:
            self.bodies.append(await reader.readexactly(self.length))
        answer = self.answers.pop(0) if self.answers else OK
        if callable(answer):
            await answer(reader, writer)
        elif answer is None:
            writer.transport.abort()
        else:
            writer.write(answer)


async def never(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Answers nothing until the gateway gives up."""
    await reader.read(1)


def refused(edge: Any, reason: str) -> float:
    found: float = edge.total("gateway_retries_refused_total", reason=reason)
    return found


@pytest.mark.parametrize(
    ("bad", "name"), [(BUSY, "gateway-error"), (None, "reset"), (b"HTTP/1.1 200 OK\r\nX-Half: ", "reset")]
)
async def test_of_two_endpoints_one_is_bad_and_the_request_succeeds(
    upstream: Any, gateway: Any, bad: bytes | None, name: str
) -> None:
    async def fail(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if bad is None:
            writer.transport.abort()
        else:
            writer.write(bad)
            if not bad.endswith(b"busy"):
                await writer.drain()
                writer.transport.abort()

    first, second = await upstream(fail), await upstream(OK)
    by_chance = config((first.address, second.address)).replace("round_robin", "least_request")
    edge = await gateway(by_chance)
    answers = await edge.raw(get() * 19 + last())
    assert statuses(answers) == [200] * 20
    assert len(second.seen) == 20
    repeated = edge.total("gateway_retries_total", result="success", gateway_cluster="shop", **{"class": name})
    assert repeated == len(first.seen) >= 1
    assert edge.total("http_client_request_duration_seconds_count") == len(first.seen) + 20


async def test_when_all_were_tried_it_is_not_the_last_one_again(upstream: Any, gateway: Any) -> None:
    one, other = await upstream(BUSY), await upstream(BUSY)
    text = config((one.address, other.address), "{attempts: 3, on: [gateway-error], backoff: 1ms}")
    edge = await gateway(text.replace("round_robin", "least_request"))
    assert statuses(await edge.raw(get() * 9 + last())) == [503] * 10
    assert (len(one.seen), len(other.seen)) == (20, 20)


async def test_nobody_listens_at_one_of_them(upstream: Any, gateway: Any, unused_tcp_port: int) -> None:
    """Any method may try another: nothing was sent. The body that had come goes to the one that works."""
    good = Script(OK, OK)
    good.length = 5
    second = await upstream(good)
    edge = await gateway(config((f"127.0.0.1:{unused_tcp_port}", second.address), "{}"))
    post = b"POST /shop HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
    answers = await edge.raw(post + b"\r\nfirst" + post + b"Connection: close\r\n\r\nagain")
    assert statuses(answers) == [200, 200]
    assert good.bodies == [b"first", b"again"]
    assert edge.total("gateway_retries_total", **{"class": "connect-failure"}, result="success") >= 1


async def test_the_last_failure_is_told_with_the_number_of_tries(upstream: Any, gateway: Any) -> None:
    shop = await upstream(Script(None, None, None))
    edge = await gateway(config(shop.address, "{attempts: 2}"))
    told = problem(await edge.raw(last()))
    assert (told["status"], told["reason"]) == (502, "upstream_reset")
    assert told["detail"].endswith("; 3 tries")
    assert len(shop.seen) == 3
    assert edge.total("gateway_retries_total", result="failure") == 2
    assert refused(edge, "attempts") == 1
    assert edge.worker.snapshot.clusters["shop"].budget.retries == 0


async def test_without_retry_nothing_is_sent_again(upstream: Any, gateway: Any) -> None:
    shop = await upstream(Script(None))
    edge = await gateway(config(shop.address).replace(f"    retry: {RETRY}\n", ""))
    assert "tries" not in problem(await edge.raw(last()))["detail"]
    assert len(shop.seen) == 1


async def test_an_answer_that_is_not_repeated_any_more_goes_on(upstream: Any, gateway: Any) -> None:
    shop = await upstream(BUSY)
    edge = await gateway(config(shop.address))
    status, fields, body = split(await edge.raw(last()))
    assert (status, fields["x-from"], body) == (503, "busy", b"busy")
    assert len(shop.seen) == 2
    assert shop.connections == 1  # the answer that nobody got was complete, so its connection served on


@pytest.mark.parametrize(
    ("rest", "connections"),
    [(b"x" * 10_000, 1), (b"x" * 100, 2)],  # the rest of a short answer is read, what does not come is broken off
)
async def test_an_answer_that_nobody_wants_is_read_within_bounds(
    upstream: Any, gateway: Any, rest: bytes, connections: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.http.draining.LONGEST", 0.1)

    async def in_pieces(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 503 No\r\nContent-Length: 10000\r\n\r\n")
        await writer.drain()
        writer.write(rest)

    shop = await upstream(Script(in_pieces, OK, OK))
    edge = await gateway(config(shop.address, "{on: [], codes: [503], backoff: 1ms}", cluster=", maxConnections: 1"))
    assert statuses(await edge.raw(get() + last())) == [200, 200]
    assert shop.connections == connections
    endpoint = edge.worker.snapshot.clusters["shop"].endpoints[0]
    assert (endpoint.active, endpoint.open) == (0, 1)


async def test_a_long_answer_that_nobody_wants_is_broken_off_at_once(upstream: Any, gateway: Any) -> None:
    shop = await upstream(Script(b"HTTP/1.1 503 No\r\nContent-Length: 99999999\r\n\r\nx", OK))
    edge = await gateway(config(shop.address))
    assert statuses(await edge.raw(last())) == [200]
    assert shop.connections == 2


@pytest.mark.parametrize("framing", ["Content-Length: 10", "Transfer-Encoding: chunked"])
async def test_a_body_that_streams_is_sent_again(upstream: Any, gateway: Any, framing: str) -> None:
    """The first endpoint breaks when it has half of it; the second gets all of it, in the same framing."""
    chunked = "chunked" in framing
    half, whole = (
        (b"5\r\nhello\r\n", b"5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n") if chunked else (b"hello", b"helloworld")
    )
    came = asyncio.Event()
    got = bytearray()

    async def breaks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(len(half))
        writer.transport.abort()
        came.set()

    async def takes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not got.endswith(whole[-5:]):
            got.extend(await reader.read(100))
        writer.write(OK)

    shop = await upstream(Script(breaks, takes))
    edge = await gateway(config(shop.address))
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.ports["public"])
    writer.write(f"PUT /shop HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{framing}\r\n\r\n".encode())
    while not shop.seen:  # so that its body comes while the try is under way
        await asyncio.sleep(0)
    writer.write(half)
    await asyncio.wait_for(came.wait(), 5)
    writer.write(whole[len(half) :])
    assert statuses(await asyncio.wait_for(reader.read(), 5)) == [200]
    if chunked:  # pieces that waited together may go out as one chunk
        assert b"".join(part for part in bytes(got).split(b"\r\n")[1::2]) == b"helloworld"
    else:
        assert bytes(got) == whole
    writer.close()


async def test_a_body_beyond_the_bound_is_sent_once(upstream: Any, gateway: Any) -> None:
    script = Script(BUSY, BUSY)
    script.length = 11
    shop = await upstream(script)
    edge = await gateway(config(shop.address, "{on: [gateway-error], maxBodyBytes: 10}"))
    put = b"PUT /shop HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 11\r\n\r\nhello world"
    assert statuses(await edge.raw(put)) == [503]
    assert (len(shop.seen), refused(edge, "body")) == (1, 1)


async def test_a_chunked_body_that_grows_beyond_the_bound_is_sent_once(upstream: Any, gateway: Any) -> None:
    async def after_the_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"0\r\n\r\n")
        writer.write(BUSY)

    shop = await upstream(Script(after_the_body, after_the_body))
    edge = await gateway(config(shop.address, "{on: [gateway-error], maxBodyBytes: 10}"))
    put = b"PUT /shop HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert statuses(await edge.raw(put + b"6\r\nhello \r\n5\r\nworld\r\n0\r\n\r\n")) == [503]
    assert (len(shop.seen), refused(edge, "body")) == (1, 1)


@pytest.mark.parametrize(
    ("retry", "fields", "sent"),
    [
        (RETRY, "", 1),
        (RETRY, "Idempotency-Key: k1\r\n", 1),
        ("{on: [gateway-error], idempotencyKeys: true}", "Idempotency-Key: k1\r\n", 2),
        ("{on: [gateway-error], idempotencyKeys: true}", "", 1),
        ("{on: [gateway-error], methods: [POST]}", "", 2),
    ],
)
async def test_post_is_repeated_only_where_somebody_vouches_for_it(
    upstream: Any, gateway: Any, retry: str, fields: str, sent: int
) -> None:
    script = Script(BUSY)
    script.length = 5
    shop = await upstream(script)
    edge = await gateway(config(shop.address, retry))
    post = f"POST /shop HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}Content-Length: 5\r\n\r\nhello".encode()
    assert statuses(await edge.raw(post)) == [200 if sent == 2 else 503]
    assert script.bodies == [b"hello"] * sent
    assert refused(edge, "method") == (sent == 1)


async def test_a_slow_try_is_given_up_and_another_succeeds(upstream: Any, gateway: Any) -> None:
    slow, quick = await upstream(never), await upstream(OK)
    edge = await gateway(
        config((slow.address, quick.address), "{on: [timeout]}", "    timeouts: {request: 5s, backendRequest: 100ms}")
    )
    assert statuses(await edge.raw(get() + last())) == [200, 200]
    assert len(slow.seen) >= 1
    assert edge.total("gateway_retries_total", **{"class": "timeout"}, result="success") == len(slow.seen)


async def test_all_tries_and_waits_together_keep_the_time_of_the_exchange(upstream: Any, gateway: Any) -> None:
    shop = await upstream(never)
    retry = "{attempts: 10, on: [timeout], backoff: 100ms}"
    edge = await gateway(config(shop.address, retry, "    timeouts: {request: 400ms, backendRequest: 100ms}"))
    began = asyncio.get_running_loop().time()
    told = problem(await edge.raw(last()))
    assert told["status"] == 504
    assert told["reason"] in ("upstream_timeout", "request_timeout")
    assert asyncio.get_running_loop().time() - began < 2
    assert 2 <= len(shop.seen) <= 4


async def test_a_wait_that_would_end_too_late_is_not_begun(upstream: Any, gateway: Any) -> None:
    """Retry-After counts when every endpoint has said so; what lies beyond the deadline is the client's to wait for."""
    later = BUSY.replace(b"X-From", b"Retry-After: 60\r\nX-From")
    shop = await upstream(later)
    edge = await gateway(config(shop.address))
    status, fields, _ = split(await edge.raw(last()))
    assert (status, fields["retry-after"]) == (503, "60")
    assert (len(shop.seen), refused(edge, "deadline")) == (1, 1)


async def test_another_endpoint_need_not_wait_for_what_this_one_asks(upstream: Any, gateway: Any) -> None:
    later = BUSY.replace(b"X-From", b"Retry-After: 60\r\nX-From")
    one, other = await upstream(later), await upstream(OK)
    edge = await gateway(config((one.address, other.address)))
    assert statuses(await edge.raw(get() + last())) == [200, 200]
    assert len(one.seen) >= 1


async def test_nothing_is_sent_for_a_client_that_has_left(upstream: Any, gateway: Any) -> None:
    shop = await upstream(Script(BUSY))
    edge = await gateway(config(shop.address, "{on: [gateway-error], backoff: 10s}"))
    edge.worker.random.seed(1)  # a wait of seconds
    _, writer = await asyncio.open_connection("127.0.0.1", edge.ports["public"])
    writer.write(get())
    budget = edge.worker.snapshot.clusters["shop"].budget
    while not budget.retries:  # it waits
        await asyncio.sleep(0)
    (exchange,) = edge.worker.exchanges
    timer = exchange._timer
    writer.transport.abort()
    while edge.worker.exchanges:
        await asyncio.sleep(0)
    assert timer.cancelled()
    assert (len(shop.seen), budget.retries) == (1, 0)
    assert edge.total("gateway_retries_total", result="abandoned") == 1


async def test_nothing_is_repeated_once_the_client_has_seen_something(upstream: Any, gateway: Any) -> None:
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
    shop = await upstream(Script(hint + BUSY))
    edge = await gateway(config(shop.address))
    assert statuses(await edge.raw(last())) == [103, 503]

    async def half(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.transport.abort()

    broken = await upstream(half)
    edge.apply(config(broken.address, "{on: [5xx]}"))
    with pytest.raises(ConnectionResetError):
        await edge.raw(last())
    assert len(broken.seen) == 1


async def test_filters_run_once_however_many_tries(upstream: Any, gateway: Any) -> None:
    """A limit is charged for the request, not for its tries."""
    shop = await upstream(Script(BUSY, BUSY, BUSY))
    limit = "[{type: RateLimit, name: few, requests: 5, per: 1h}]"
    edge = await gateway(config(shop.address, "{attempts: 3, on: [gateway-error], backoff: 1ms}", filters=limit))
    status, fields, _ = split(await edge.raw(last()))
    assert (status, len(shop.seen)) == (200, 4)
    assert fields["ratelimit"].startswith('"few";r=4;')


async def test_a_body_that_a_filter_has_read_is_sent_again(upstream: Any, gateway: Any) -> None:
    script = Script(BUSY)
    query = json.dumps({"query": "{ me { id } }"}).encode()
    script.length = len(query)
    shop = await upstream(script)
    retry = "{on: [gateway-error], methods: [POST], maxBodyBytes: 0}"
    edge = await gateway(config(shop.address, retry, filters="[{type: GraphQLGuard}]"))
    fields = ("Content-Type: application/json", f"Content-Length: {len(query)}")
    assert statuses(await edge.raw(last("/g", *fields, method="POST") + query)) == [200]
    assert script.bodies == [query] * 2


async def test_a_stale_connection_is_no_retry(upstream: Any, gateway: Any) -> None:
    """It needs no configuration, takes nothing of the budget, and leaves all tries to the policy."""

    async def last_on_this_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.abort()

    shop = await upstream(Script(last_on_this_connection, BUSY, OK))
    edge = await gateway(config(shop.address))
    assert statuses(await edge.raw(get() + last())) == [200, 200]
    assert edge.total("gateway_stale_connection_retries_total") == 1
    assert edge.total("gateway_retries_total") == 1


async def ask(edge: Any, requests: int) -> list[int]:
    found = await edge.raw(get() * (requests - 1) + last(), wait=30)
    return statuses(found)


@pytest.mark.parametrize(
    ("budget", "least", "most"), [("", 1.0, 1.2), (", retryBudget: {percent: 100, minimum: 1000}", 2.0, 2.0)]
)
async def test_a_cluster_that_fails_altogether_gets_hardly_more_than_without_retries(
    upstream: Any, gateway: Any, budget: str, least: float, most: float
) -> None:
    """Forty clients, each as soon as it has its answer; the service fails after 20 ms, always."""

    async def fail(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.02)
        writer.write(BUSY)

    shop = await upstream(fail)
    edge = await gateway(config(shop.address, cluster=budget))
    answers = await asyncio.gather(*(ask(edge, 10) for _ in range(40)))
    assert [status for one in answers for status in one] == [503] * 400
    assert least <= len(shop.seen) / 400 <= most
    assert (refused(edge, "budget") > 0) is (most < 2)
    assert edge.worker.snapshot.clusters["shop"].budget.retries == 0


async def test_log_line_and_spans_tell_of_each_try(upstream: Any, gateway: Any) -> None:
    class Exporter:
        def __init__(self) -> None:
            self.spans: list[Any] = []

        def add(self, span: Any) -> None:
            self.spans.append(span)

    shop = await upstream(Script(BUSY, None))
    edge = await gateway(config(shop.address, "{attempts: 2, on: [gateway-error]}"))
    edge.worker.exporter, edge.worker.sample_ratio = Exporter(), 1.0
    edge.worker.watched = True
    assert statuses(await edge.raw(last())) == [200]
    (record,) = edge.worker.recent
    assert (record["status"], record["attempts"], record["reason"]) == (200, 3, "")
    tries = [one for one in edge.worker.exporter.spans if one.kind == "client"]
    assert [one.attributes["http.request.resend_count"] for one in tries] == [0, 1, 2]
    assert [one.error for one in tries] == ["503", "upstream_reset", None]
    assert len({one.span_id for one in tries}) == 3


async def test_a_route_stays_in_its_cluster(upstream: Any, gateway: Any) -> None:
    """Weights share out requests, not tries."""
    bad, good = await upstream(BUSY), await upstream(OK)
    text = (
        config(bad.address)
        .replace(
            "    backendRefs: [{cluster: shop}]", "    backendRefs: [{cluster: shop}, {cluster: other, weight: 0}]"
        )
        .replace("clusters:\n", f'clusters:\n  - {{name: other, endpoints: ["{good.address}"]}}\n')
    )
    edge = await gateway(text.replace("weight: 0", "weight: 1"))
    answers = [statuses(await edge.raw(last()))[0] for _ in range(20)]
    assert len(bad.seen) == 2 * answers.count(503)
    assert len(good.seen) == answers.count(200)
    assert len(bad.seen) > 0
