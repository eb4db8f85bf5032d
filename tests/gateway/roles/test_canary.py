"""Real requests through a route with a canary: which side they take, and what counts against it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.roles.explain import explain
from tests.gateway.roles.test_exchange import OK, last, problem, split, statuses

BAD = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
TEAPOT = b"HTTP/1.1 418 I'm a teapot\r\nContent-Length: 0\r\n\r\n"
CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"
NOT_HTTP = b"what?\r\n\r\n"


def config(stable: str, canary: str, weight: int = 100, route: str = "", more: str = "") -> str:
    return f"""
listeners: [{{name: public, port: 0}}]
clusters:
  - {{name: v1, endpoints: ["{stable}"]}}
  - {{name: v2, endpoints: ["{canary}"]}}
routes:
  - name: everything
    public: true
    backendRefs: [{{cluster: v1}}]
    canary: {{cluster: v2, weight: {weight}, header: {{name: x-canary, value: "1"}}}}
    timeouts: {{request: 300ms, backendRequest: 200ms}}
{route}
{more}
"""


def counts(edge: Any) -> tuple[int, int, int, int]:
    """Requests and failures of the canary, and of the stable side."""
    one = edge.worker.snapshot.canaries["everything"]
    return one.canary.requests, one.canary.failures, one.stable.requests, one.stable.failures


async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def half(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(CUT)
    await writer.drain()
    writer.close()


@pytest.mark.parametrize(
    ("answer", "status", "failures"),
    [(OK, 200, 0), (TEAPOT, 418, 0), (BAD, 500, 1), (NOT_HTTP, 502, 1), (hang, 504, 1), (reset, 502, 1)],
    ids=["good", "refused", "500", "no http", "hangs", "resets"],
)
async def test_what_fails(upstream: Any, gateway: Any, answer: Any, status: int, failures: int) -> None:
    v1, v2 = await upstream(OK), await upstream(answer)
    edge = await gateway(config(v1.address, v2.address))
    assert split(await edge.raw(last()))[0] == status
    assert counts(edge) == (1, failures, 0, 0)
    assert not v1.seen


async def test_an_answer_that_breaks_off_is_a_failure(upstream: Any, gateway: Any) -> None:
    v1, v2 = await upstream(OK), await upstream(half)
    edge = await gateway(config(v1.address, v2.address))
    with pytest.raises(ConnectionResetError):
        await edge.raw(last())
    assert counts(edge) == (1, 1, 0, 0)


async def test_an_answer_that_its_description_does_not_allow_is_a_failure(
    upstream: Any, gateway: Any, tmp_path: Path
) -> None:
    """The client gets 502 in its place, so it counts, though the service said 200."""
    described = "openapi: 3.1.0\npaths: {/: {get: {responses: {'200': {content: {application/json: {}}}}}}}"
    (tmp_path / "api.yaml").write_text(described)
    held = f"    filters: [{{type: OpenApiValidation, document: {tmp_path}/api.yaml, response: {{mode: enforce}}}}]"
    v1, v2 = await upstream(OK), await upstream(OK)
    edge = await gateway(config(v1.address, v2.address, route=held))
    assert problem(await edge.raw(last("/")))["reason"] == "answer_invalid"
    assert counts(edge) == (1, 1, 0, 0)


async def test_nobody_there_is_a_failure(upstream: Any, gateway: Any) -> None:
    v1 = await upstream(OK)
    edge = await gateway(config(v1.address, "127.0.0.1:1"))
    assert split(await edge.raw(last()))[0] == 503
    assert counts(edge) == (1, 1, 0, 0)
    assert not edge.worker.snapshot.canaries["everything"].canary.times


async def test_what_the_gateway_refuses_counts_on_no_side(upstream: Any, gateway: Any) -> None:
    v1, v2 = await upstream(OK), await upstream(OK)
    limit = "    filters: [{type: SizeLimit, maxRequestBytes: 3}]"
    edge = await gateway(config(v1.address, v2.address, 50, limit))
    refused = last("/", "Content-Length: 5", method="POST") + b"hello"
    assert problem(await edge.raw(refused))["reason"] == "body_too_large"
    assert counts(edge) == (0, 0, 0, 0)


async def test_a_body_that_does_not_come_is_not_the_canarys_fault(upstream: Any, gateway: Any) -> None:
    v1, v2 = await upstream(OK), await upstream(hang)
    edge = await gateway(config(v1.address, v2.address))
    answer = await edge.raw(last("/", "Content-Length: 5", method="POST"))
    assert split(answer)[0] == 504
    assert counts(edge) == (0, 0, 0, 0)


async def test_a_client_that_gives_up_has_waited(upstream: Any, gateway: Any) -> None:
    """Else a canary that hangs, with impatient clients, would never be seen."""
    v1, v2 = await upstream(OK), await upstream(hang)
    edge = await gateway(config(v1.address, v2.address))
    _, writer = await asyncio.open_connection("127.0.0.1", edge.ports["public"])
    writer.write(last())
    async with asyncio.timeout(5):
        while not v2.seen:
            await asyncio.sleep(0.005)
        writer.close()
        while counts(edge) == (0, 0, 0, 0):
            await asyncio.sleep(0.005)
    assert counts(edge) == (1, 0, 0, 0)
    assert edge.worker.snapshot.canaries["everything"].canary.times


async def test_a_stale_connection_is_made_good_on_the_same_side(upstream: Any, gateway: Any) -> None:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        if len(v2.seen) == 1:  # the second request meets a connection that has just closed
            await reader.readuntil(b"\r\n\r\n")
            canary.weight = 0  # drawn again it would go to the other side
            writer.close()

    v1, v2 = await upstream(OK), await upstream(once)
    edge = await gateway(config(v1.address, v2.address))
    canary = edge.worker.snapshot.canaries["everything"]
    assert split(await edge.raw(last()))[0] == 200
    assert split(await edge.raw(last()))[0] == 200
    assert edge.total("gateway_stale_connection_retries_total") == 1
    assert counts(edge) == (2, 0, 0, 0)
    assert not v1.seen


async def test_who_chooses_gets_it_and_is_not_counted(upstream: Any, gateway: Any) -> None:
    v1, v2 = await upstream(OK), await upstream(BAD)
    edge = await gateway(config(v1.address, v2.address, 0))
    assert statuses(await edge.raw(last("/", "X-Canary: 1"))) == [500]
    assert statuses(await edge.raw(last("/", "X-Canary: never"))) == [200]
    assert counts(edge) == (0, 0, 0, 0)
    assert statuses(await edge.raw(last("/"))) == [200]
    assert counts(edge) == (0, 0, 1, 0)


async def test_an_order_is_in_force_with_the_next_request_and_for_the_next_snapshot(
    upstream: Any, gateway: Any
) -> None:
    v1, v2 = await upstream(OK), await upstream(BAD)
    text = config(v1.address, v2.address)
    edge = await gateway(text)
    canary = edge.worker.snapshot.canaries["everything"]
    edge.worker.obey({"everything": {"of": canary.digest, "weight": 0, "open": False}, "gone": {"of": "x"}})
    assert statuses(await edge.raw(last("/", "X-Canary: 1"))) == [200]
    edge.apply(config(v1.address, v2.address, 99))
    assert edge.worker.snapshot.canaries["everything"].weight == 99  # another block: another canary
    edge.apply(text, 3)
    assert statuses(await edge.raw(last("/"))) == [200]
    assert edge.worker.canary_reports()["everything"]["stable"]["requests"] == 1


async def test_other_routes_pay_nothing(upstream: Any, gateway: Any) -> None:
    v1, v2 = await upstream(OK), await upstream(BAD)
    other = "  - {name: other, public: true, matches: [{path: {value: /other}}], backendRefs: [{cluster: v1}]}"
    edge = await gateway(config(v1.address, v2.address, more=other))
    assert statuses(await edge.raw(last("/other"))) == [200]
    assert counts(edge) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("weight", "headers", "names"),
    [
        (10, [], ["v1", "v2"]),
        (0, [], ["v1"]),
        (100, [], ["v2"]),
        (0, [["X-Canary", "1"]], ["v2"]),
        (100, [["X-Canary", "never"]], ["v1"]),
    ],
)
async def test_explain_says_where_it_would_go(
    gateway: Any, weight: int, headers: list[list[str]], names: list[str]
) -> None:
    edge = await gateway(config("127.0.0.1:1", "127.0.0.1:2", weight))
    told = await explain(edge.worker.snapshot, {"method": "GET", "target": "/", "headers": headers})
    assert [one["name"] for one in told["clusters"]] == names
