"""Informational answers (1xx), raw bytes in and out: who gets them, what is in them, and how many there may be."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.gateway.roles.test_exchange import OK, config, get, last, problem, split, statuses

HINT = (
    b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\n"
    b"Keep-Alive: timeout=5\r\nContent-Length: 5\r\n\r\n"
)
PASSED = b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\nvia: 1.1 gatehouse\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
MANY = b"HTTP/1.1 102 Processing\r\n\r\n"


async def test_early_hints_go_on_before_the_answer_is_there(upstream: Any, gateway: Any) -> None:
    """RFC 8297: hints are worth something only if they come first; fields of the hop stay behind."""

    async def hint_and_wait(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HINT)
        await hinted.wait()
        writer.write(OK)

    hinted = asyncio.Event()
    shop = await upstream(hint_and_wait)
    edge = await gateway(config(shop.address))
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.ports["public"])
    writer.write(get())
    assert await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5) == PASSED
    hinted.set()
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
    assert await reader.readexactly(5) == b"hello"
    writer.write(last())
    assert statuses(await reader.read()) == [103, 200]
    assert shop.connections == 1  # what the hint said about the connection was not about the connection
    writer.close()


async def test_pipelined_answers_keep_their_hints_and_order(upstream: Any, gateway: Any) -> None:
    shop = await upstream(MANY + HINT + OK)
    edge = await gateway(config(shop.address))
    assert statuses(await edge.raw(get() + last())) == [102, 103, 200, 102, 103, 200]


async def test_http_10_never_gets_one(upstream: Any, gateway: Any) -> None:
    """RFC 9110 section 15.2."""
    shop = await upstream(HINT + OK)
    edge = await gateway(config(shop.address))
    answer = await edge.raw(b"GET /shop HTTP/1.0\r\nHost: a\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert statuses(answer) == [200]


async def test_filters_that_change_answers_are_not_passed_by(upstream: Any, gateway: Any) -> None:
    shop = await upstream(HINT + OK)
    hide = "    filters: [{type: ResponseHeaderModifier, remove: [link]}]"
    edge = await gateway(config(shop.address, route_extra=hide))
    answer = await edge.raw(last())
    assert statuses(answer) == [200]
    assert b"a.css" not in answer


@pytest.mark.parametrize("early", [b"", b"body"], ids=["waits", "does not wait"])
async def test_an_expectation_is_answered_here(upstream: Any, gateway: Any, early: bytes) -> None:
    """RFC 9110 section 10.1.1: the client gets our 100, or none when its body is there; never the upstream's too."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CONTINUE)
        await reader.readexactly(4)
        writer.write(HINT + OK)

    shop = await upstream(take)
    edge = await gateway(config(shop.address))
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.ports["public"])
    writer.write(last("/shop", "Content-Length: 4", "Expect: 100-continue", method="POST") + early)
    if not early:
        assert await reader.readuntil(b"\r\n\r\n") == CONTINUE
        writer.write(b"body")
    rest = await reader.read()
    assert [status for status in statuses(rest) if status != 100] == [103, 200]
    assert rest.count(b"100 Continue") <= (1 if early else 0)
    assert b"expect" not in shop.seen[0]
    writer.close()


async def test_a_100_that_nobody_asked_for_goes_on(upstream: Any, gateway: Any) -> None:
    """RFC 9110 section 15.2: what we did not ask for ourselves is not ours to take out; clients may ignore it."""
    shop = await upstream(CONTINUE + OK)
    edge = await gateway(config(shop.address))
    assert statuses(await edge.raw(last())) == [100, 200]


@pytest.mark.parametrize(("count", "codes"), [(16, [102] * 16 + [200]), (17, [102] * 16 + [502])])
async def test_their_number_is_bounded(upstream: Any, gateway: Any, count: int, codes: list[int]) -> None:
    shop = await upstream(MANY * count + OK)
    edge = await gateway(config(shop.address))
    assert statuses(await edge.raw(last())) == codes


async def test_their_size_is_bounded(upstream: Any, gateway: Any) -> None:
    shop = await upstream(b"HTTP/1.1 103 Early Hints\r\nLink: " + b"x" * 65_536 + b"\r\n\r\n" + OK)
    edge = await gateway(config(shop.address))
    assert problem(await edge.raw(last()))["reason"] == "upstream_head_too_large"


async def test_an_answer_may_still_fail_after_a_hint(upstream: Any, gateway: Any) -> None:
    async def hint_and_go(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HINT)
        writer.close()

    shop = await upstream(hint_and_go)
    edge = await gateway(config(shop.address))
    answer = await edge.raw(last())
    assert answer.startswith(PASSED)
    assert problem(answer.removeprefix(PASSED))["reason"] == "upstream_reset"


@pytest.mark.parametrize("said", [HINT, b"HTTP/1.1 200 OK\r\nContent-Le"], ids=["a hint", "half a head"])
async def test_a_connection_that_has_said_something_did_not_close_idle(
    upstream: Any, gateway: Any, said: bytes
) -> None:
    """Only a kept connection that closes without a word may have lost the race; else the service has the request."""

    async def once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(shop.seen) == 2:
            writer.write(said)
            writer.close()
        else:
            writer.write(OK)

    shop = await upstream(once)
    edge = await gateway(config(shop.address))
    answer = await edge.raw(get() + last())
    assert statuses(answer)[-1] == 502
    assert len(shop.seen) == 2
    assert edge.total("gateway_stale_connection_retries_total") == 0


async def test_silence_after_a_hint_counts_from_the_hint(upstream: Any, gateway: Any) -> None:
    """102 is sent to keep a client waiting: it is progress, but the whole try keeps its time limit."""

    async def processing(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _step in range(4):
            writer.write(MANY)
            await asyncio.sleep(0.15)
        writer.write(OK)

    shop = await upstream(processing)
    edge = await gateway(config(shop.address, route_extra="    timeouts: {idle: 400ms, backendRequest: 5s}"))
    assert statuses(await edge.raw(last())) == [102, 102, 102, 102, 200]
    edge.apply(config(shop.address, route_extra="    timeouts: {idle: 400ms, backendRequest: 300ms}"))
    answer = await edge.raw(last())
    assert statuses(answer)[-1] == 504
    assert split(answer[answer.index(b"HTTP/1.1 504") :])[0] == 504
