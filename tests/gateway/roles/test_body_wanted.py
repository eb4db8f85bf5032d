"""Raw bytes through a gateway whose filter wants to see the whole body before it decides."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import pytest

from gateway.compile.table import filter_classes
from gateway.filters.base import Build, Decision, Filter, Verdict
from gateway.http.messages import Reply, Request
from gateway.roles.explain import explain
from gateway.spec.models import FilterSpec


class ProbeSpec(FilterSpec):
    type: Literal["Probe"] = "Probe"
    limit: int = 0
    waits: bool = False


class Probe(Filter[ProbeSpec]):
    """Refuses bodies with `evil` in them; with a limit of 0 it refuses heads with `x-evil`."""

    Spec = ProbeSpec

    def __init__(self, spec: ProbeSpec, build: Build) -> None:
        super().__init__(spec, build)
        self.body_limit = spec.limit
        self.seen: list[bytes | None] = []
        self.passed = 0

    def decide(self, request: Request) -> Decision:
        self.seen.append(request.body)
        if request.body == b"short":
            request.replace_body(b"something longer")
        bad = b"evil" in (request.body or b"") or (not self.body_limit and b"x-evil" in request.fields)
        verdict = Reply(403, "probe", "evil") if bad else None
        return self._later(verdict) if self.spec.waits else verdict

    def commit(self, request: Request) -> None:
        self.passed += 1

    async def _later(self, verdict: Verdict) -> Verdict:
        await asyncio.sleep(0)
        return verdict


@pytest.fixture(autouse=True)
def probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(filter_classes(), "Probe", Probe)


def config(address: str, filters: str = "{type: Probe, limit: 1000}", listener: str = "", route: str = "") -> str:
    return f"""
listeners: [{{name: public, port: 0{listener}}}]
clusters: [{{name: shop, endpoints: ["{address}"]}}]
routes:
  - name: everything
    public: true
    matches: [{{path: {{value: /shop}}}}]
    backendRefs: [{{cluster: shop}}]
    filters: [{filters}]
{route}
"""


def head(*fields: str, method: str = "POST", path: str = "/shop") -> bytes:
    return ("\r\n".join([f"{method} {path} HTTP/1.1", "Host: a", *fields]) + "\r\n\r\n").encode()


CLOSE, CHUNKED = "Connection: close", "Transfer-Encoding: chunked"
SLOW = ", bodyGrace: 100ms, minBodyRate: 1000"


def post(body: bytes, *fields: str) -> bytes:
    return head(f"Content-Length: {len(body)}", *fields) + body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def refusal(answer: bytes) -> tuple[int, str, str]:
    """Status, reason and the line that decided."""
    found = json.loads(answer.partition(b"\r\n\r\n")[2])
    return found["status"], found["reason"], found.get("policy", "")


def statuses(answer: bytes) -> list[int]:
    return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


def probes(edge: Any) -> list[Probe]:
    return [one for one in edge.worker.snapshot.filters.values() if isinstance(one, Probe)]


@pytest.fixture
async def shop(upstream: Callable[..., Awaitable[Any]]) -> Any:
    """Answers with the body that it got, which must have a length."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found = re.search(rb"content-length: (\d+)\r\n", one.seen[-1])
        body = await reader.readexactly(int(found[1])) if found else b""
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    one = await upstream(echo)
    return one


async def test_the_filter_sees_the_body_and_then_the_endpoint_gets_it(shop: Any, gateway: Any) -> None:
    edge = await gateway(config(shop.address))
    answer = await edge.raw(post(b"hello", CLOSE))
    assert (statuses(answer), answer[-5:]) == ([200], b"hello")
    assert (probes(edge)[0].seen, probes(edge)[0].passed) == ([b"hello"], 1)


async def test_what_is_refused_never_reaches_the_endpoint(shop: Any, gateway: Any) -> None:
    edge = await gateway(config(shop.address))
    assert refusal(await edge.raw(post(b"evil", CLOSE))) == (403, "probe", "test.yaml:9")
    assert (shop.seen, shop.connections, probes(edge)[0].passed) == ([], 0, 0)


async def test_a_chunked_body_goes_on_with_its_length(shop: Any, gateway: Any) -> None:
    edge = await gateway(config(shop.address))
    pieces = chunk(b"he") + chunk(b"llo") + b"0\r\n\r\n"
    answer = await edge.raw(head(CHUNKED, CLOSE) + pieces)
    assert answer.endswith(b"\r\n\r\nhello")
    assert b"content-length: 5\r\n" in shop.seen[0]
    assert b"transfer-encoding" not in shop.seen[0]
    assert probes(edge)[0].seen == [b"hello"]


async def test_a_body_in_many_pieces(shop: Any, gateway: Any) -> None:
    edge = await gateway(config(shop.address))
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.ports["public"])
    writer.write(head("Content-Length: 300", CLOSE))
    for _ in range(300):
        writer.write(b"x")
        await asyncio.sleep(0.001)
    assert (await reader.read()).endswith(b"\r\n\r\n" + b"x" * 300)
    assert probes(edge)[0].seen == [b"x" * 300]
    writer.close()


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_a_request_without_a_body_is_asked_with_an_empty_one(shop: Any, gateway: Any, method: str) -> None:
    edge = await gateway(config(shop.address))
    assert statuses(await edge.raw(head(CLOSE, method=method))) == [200]
    assert probes(edge)[0].seen == [b""]


async def test_an_empty_chunked_body(shop: Any, gateway: Any) -> None:
    edge = await gateway(config(shop.address))
    assert statuses(await edge.raw(head(CHUNKED, CLOSE) + b"0\r\n\r\n")) == [200]
    assert probes(edge)[0].seen == [b""]
    assert b"content-length: 0\r\n" in shop.seen[0]


async def test_too_large_by_its_length_is_refused_before_a_byte_is_read(shop: Any, gateway: Any) -> None:
    edge = await gateway(config(shop.address))
    answer = await edge.raw(head("Content-Length: 100000", "Expect: 100-continue"))
    assert refusal(answer) == (413, "body_too_large_to_inspect", "test.yaml:9")
    assert b"connection: close" in answer
    assert edge.total("gateway_local_replies_total", reason="body_too_large_to_inspect") == 1
    assert probes(edge)[0].seen == shop.seen == []


async def test_too_large_when_it_has_grown(shop: Any, gateway: Any) -> None:
    edge = await gateway(config(shop.address))
    answer = await edge.raw(head(CHUNKED) + chunk(b"x" * 100) * 11)  # without an end
    assert refusal(answer) == (413, "body_too_large_to_inspect", "test.yaml:9")
    assert statuses(answer) == [413]
    assert not edge.worker.exchanges


async def test_exactly_the_limit_passes(shop: Any, gateway: Any) -> None:
    edge = await gateway(config(shop.address))
    assert statuses(await edge.raw(post(b"x" * 1000, CLOSE))) == [200]
    assert statuses(await edge.raw(head(CHUNKED, CLOSE) + chunk(b"x" * 1000) + b"0\r\n\r\n")) == [200]


async def test_expect_continue_only_after_the_filters_before_have_passed(shop: Any, gateway: Any) -> None:
    edge = await gateway(config(shop.address, "{type: Probe}, {type: Probe, limit: 1000}"))
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.ports["public"])
    writer.write(head("Content-Length: 4", "Expect: 100-continue", CLOSE))
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"body")
    assert (await reader.read()).endswith(b"\r\n\r\nbody")  # and no second 100
    writer.close()
    refused = await edge.raw(head("Content-Length: 4", "Expect: 100-continue", "X-Evil: 1"))
    assert statuses(refused) == [403]
    assert probes(edge)[1].seen == [b"body"]


async def test_a_pipelined_next_request_waits_for_its_turn(shop: Any, gateway: Any) -> None:
    edge = await gateway(config(shop.address))
    first = head(CHUNKED) + chunk(b"one") + b"0\r\n\r\n"
    answer = await edge.raw(first + post(b"evil") + post(b"three") + head(CLOSE, method="GET"))
    assert statuses(answer) == [200, 403, 200, 200]
    assert probes(edge)[0].seen == [b"one", b"evil", b"three", b""]
    assert len(shop.seen) == 3


async def test_a_client_that_leaves_in_the_middle(shop: Any, gateway: Any) -> None:
    edge = await gateway(config(shop.address))
    _, writer = await asyncio.open_connection("127.0.0.1", edge.ports["public"])
    writer.write(head("Content-Length: 10") + b"half")
    while not edge.worker.exchanges:
        await asyncio.sleep(0.001)
    writer.close()
    while edge.worker.exchanges:
        await asyncio.sleep(0.001)
    assert edge.total("gateway_clients_gone_total") == 1
    assert probes(edge)[0].seen == shop.seen == []


@pytest.mark.parametrize(
    ("listener", "route", "status", "reason"),
    [
        (SLOW, "", 408, "body_too_slow"),
        ("", "    timeouts: {request: 100ms}", 504, "request_timeout"),
        ("", "    timeouts: {idle: 100ms}", 408, "body_timeout"),
    ],
)
async def test_time_runs_while_the_body_comes(
    shop: Any, gateway: Any, listener: str, route: str, status: int, reason: str
) -> None:
    edge = await gateway(config(shop.address, listener=listener, route=route))
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.ports["public"])
    writer.write(head("Content-Length: 900", CLOSE) + b"x")
    assert refusal(await asyncio.wait_for(reader.read(), 5))[:2] == (status, reason)
    assert probes(edge)[0].seen == shop.seen == []
    writer.close()


async def test_broken_chunks_are_refused(shop: Any, gateway: Any) -> None:
    edge = await gateway(config(shop.address))
    assert refusal(await edge.raw(head(CHUNKED) + chunk(b"ok") + b"zz\r\n"))[:2] == (400, "bad_chunk_size")
    assert probes(edge)[0].seen == shop.seen == []


@pytest.mark.parametrize("order", ["{type: Probe, waits: true}, %s", "%s, {type: Probe, waits: true}"])
async def test_filters_that_wait_before_and_after(shop: Any, gateway: Any, order: str) -> None:
    edge = await gateway(config(shop.address, order % "{type: Probe, limit: 1000, waits: true}"))
    answer = await edge.raw(post(b"one") + post(b"evil") + head(CHUNKED, CLOSE) + chunk(b"three") + b"0\r\n\r\n")
    assert statuses(answer) == [200, 403, 200]
    assert answer.endswith(b"three")


async def test_two_filters_with_their_own_limits(shop: Any, gateway: Any) -> None:
    edge = await gateway(config(shop.address, "{type: Probe, limit: 1000}, {type: Probe, limit: 10}"))
    assert statuses(await edge.raw(post(b"x" * 10, CLOSE))) == [200]
    assert refusal(await edge.raw(post(b"x" * 11, CLOSE)))[:2] == (413, "body_too_large_to_inspect")
    grown = await edge.raw(head(CHUNKED, CLOSE) + chunk(b"x" * 11) + b"0\r\n\r\n")
    assert refusal(grown)[:2] == (413, "body_too_large_to_inspect")


async def test_a_filter_may_put_another_body_in_its_place(shop: Any, gateway: Any) -> None:
    edge = await gateway(config(shop.address))
    for sent in (post(b"short", CLOSE), head(CHUNKED, CLOSE) + chunk(b"short") + b"0\r\n\r\n"):
        assert (await edge.raw(sent)).endswith(b"\r\n\r\nsomething longer")


async def test_an_encoded_body_is_refused_unread(shop: Any, gateway: Any) -> None:
    edge = await gateway(config(shop.address))
    answer = await edge.raw(post(b"\x1f\x8b", "Content-Encoding: gzip", CLOSE))
    assert refusal(answer)[:2] == (415, "body_encoded")
    assert b"accept-encoding: identity\r\n" in answer
    twice = post(b"hidden", "Content-Encoding: gzip", "Content-Encoding: identity", CLOSE)
    assert refusal(await edge.raw(twice))[:2] == (415, "body_encoded")
    assert statuses(await edge.raw(post(b"plain", "Content-Encoding: identity", CLOSE))) == [200]
    assert probes(edge)[0].seen == [b"plain"]


async def test_a_filter_that_fails_on_the_body_denies(shop: Any, gateway: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Probe, request: Request) -> Decision:
        raise RuntimeError("cannot read this")

    monkeypatch.setattr(Probe, "decide", broken)
    edge = await gateway(config(shop.address))
    assert refusal(await edge.raw(post(b"hello", CLOSE)))[:2] == (500, "filter_error")
    assert shop.seen == []


async def test_explain_gives_the_body_to_the_same_filter(shop: Any, gateway: Any) -> None:
    edge = await gateway(config(shop.address))
    asked = {"method": "POST", "target": "/shop"}
    good = await explain(edge.worker.snapshot, asked | {"body": "hello"})
    bad = await explain(edge.worker.snapshot, asked | {"body": "evil"})
    large = await explain(edge.worker.snapshot, asked | {"body": "x" * 1001})
    without = await explain(edge.worker.snapshot, asked)
    assert [good["outcome"], bad["reason"], large["reason"]] == ["forward", "probe", "body_too_large_to_inspect"]
    assert without["steps"][0]["verdict"] == "unknown"
    assert without["not_decided_here"][0].startswith("whether Probe lets the body pass")
    assert probes(edge)[0].passed == 0


async def test_routes_without_such_a_filter_stream_on(shop: Any, gateway: Any) -> None:
    edge = await gateway(config(shop.address, "{type: Probe}"))
    assert (await edge.raw(post(b"evil", CLOSE))).endswith(b"evil")
    assert probes(edge)[0].seen == [None]
