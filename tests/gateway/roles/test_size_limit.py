"""Sizes in a whole gateway: stated lengths at once, others as they pass, in both directions."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

CONFIG = """
listeners: [{{name: public, port: 0}}]
clusters: [{{name: shop, endpoints: ["{upstream}"]}}]
filters: [{{type: SizeLimit, maxRequestBytes: 1000, maxResponseBytes: 100000}}]
routes:
  - name: all
    public: true
    backendRefs: [{{cluster: shop}}]
    filters:
      - {{type: SizeLimit, maxRequestBytes: {request}}}
      - {{type: SizeLimit, maxResponseBytes: {response}}}
"""
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def start(gateway: Any, upstream: Any) -> Any:
    async def run(answer: Any = OK, request: int = 10, response: int = 10) -> tuple[Any, Any]:
        shop = await upstream(answer)
        return await gateway(CONFIG.format(upstream=shop.address, request=request, response=response)), shop

    return run


def post(*pieces: bytes, length: int | None = None) -> bytes:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
    if length is not None:
        return head + b"Content-Length: %d\r\n\r\n" % length + b"".join(pieces)
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(map(chunk, pieces))


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def problem(answer: bytes) -> tuple[int, str, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    told = json.loads(body)
    return int(head.split()[1]), told["reason"], told["policy"]


async def read_all(reader: asyncio.StreamReader, into: bytearray) -> None:
    while piece := await reader.read(100):
        into += piece


def answering(*pieces: bytes, chunked: bool = True) -> Any:
    """An upstream that sends an answer in pieces, each in a packet of its own."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n" + (b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"\r\n"))
        for piece in pieces:
            writer.write(chunk(piece) if chunked else piece)
            await writer.drain()
            await asyncio.sleep(0.01)
        if chunked:
            writer.write(b"0\r\n\r\n")
        else:
            writer.close()

    return answer


async def test_what_fits_passes(start: Any) -> None:
    running, _ = await start()
    assert (await running.raw(post(b"0123456789", length=10))).startswith(b"HTTP/1.1 200")


async def test_a_request_that_says_it_is_too_large_is_never_sent_on(start: Any) -> None:
    running, shop = await start()
    assert problem(await running.raw(post(length=11))) == (413, "body_too_large", "test.yaml:10")
    assert problem(await running.raw(post(length=1_001))) == (413, "body_too_large", "test.yaml:4")
    assert shop.seen == []


async def test_no_body_at_all(start: Any) -> None:
    running, _ = await start(request=0)
    assert (await running.raw(post(length=0))).startswith(b"HTTP/1.1 200")
    assert problem(await running.raw(post(b"x", length=1)))[1] == "body_too_large"


async def test_a_streamed_request_is_counted_as_it_passes(start: Any, gateway: Any) -> None:
    received = bytearray()

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(100):
            received.extend(piece)

    running, _ = await start(swallow)
    reader, writer = await asyncio.open_connection("127.0.0.1", running.ports["public"])
    writer.write(post(b"01234"))
    async with asyncio.timeout(5):
        while b"01234" not in received:
            await asyncio.sleep(0.001)
    writer.write(chunk(b"56789") + chunk(b"too many"))
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    assert problem(answer) == (413, "body_too_large", "test.yaml:10")
    assert b"too many" not in received


async def test_an_answer_that_says_it_is_too_large_is_502(start: Any) -> None:
    running, shop = await start(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n01234567890")
    for _ in range(2):
        assert problem(await running.raw(post(length=0))) == (502, "answer_too_large", "test.yaml:11")
    assert running.total("gateway_local_replies_total", reason="answer_too_large") == 2
    assert shop.connections == 1  # it had come whole, so its connection is as good as before


async def test_an_answer_without_length_whose_first_piece_is_too_large_is_502(start: Any) -> None:
    running, _ = await start(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"01234567890"))
    assert problem(await running.raw(post(length=0))) == (502, "answer_too_large", "test.yaml:11")


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_streamed_answer_that_grows_too_large_breaks_off(start: Any, chunked: bool) -> None:
    running, _ = await start(answering(b"01234", b"56789", b"too many", chunked=chunked))
    reader, writer = await asyncio.open_connection("127.0.0.1", running.ports["public"])
    writer.write(post(length=0))
    got = bytearray()
    with pytest.raises(ConnectionResetError):  # never an end that could be taken for that of the answer
        await asyncio.wait_for(read_all(reader, got), 5)
    writer.close()
    assert b"56789" in got
    assert b"too many" not in got
    assert running.total("gateway_broken_answers_total", reason="answer_too_large") == 1


async def test_the_head_of_a_large_thing_may_be_asked_for(start: Any) -> None:
    running, _ = await start(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
    answer = await running.raw(b"HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"content-length: 5000" in answer.lower()
