"""Load with faults: upstreams that reset, stall, truncate and lie, clients that vanish; everything is counted.

Each request carries its own number and so does its answer: what a client reads as complete must be the answer to
exactly this request. The rest is arithmetic between what clients saw and what the gateway counted.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

import httptools
import pytest
import uvloop

from tests.differential.here import Here, gateway_here, upstream_here

REQUESTS = 800
CLIENTS = 32
GOOD = ("length", "chunks", "until close", "kept once", "interim")
BAD = ("reset", "closed", "garbage", "no head", "stall", "truncated", "bad chunk", "stall inside", "reset inside")
LYING = ("too much", "early")
BEHAVIOURS = (*GOOD * 6, *BAD, *LYING)


def expected(number: int, body: bytes) -> bytes:
    """The body of a good answer: it says which request it answers, and what came with it."""
    return (b"%d:%d;" % (number, zlib.crc32(body))) * (1 + number % 200)


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST."""
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:  # else the other side has closed already
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Faulty:
    """The upstream. It behaves as the request's number and the seed decide."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.seen: Counter[int] = Counter()

    def behaviour(self, number: int) -> str:
        """What this request meets."""
        return Random(self.seed * 1_000_000 + number).choice(BEHAVIOURS)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            number = int(head.split(b" ", 2)[1].rpartition(b"/")[2])
            self.seen[number] += 1
            behaviour = self.behaviour(number)
            body = b"" if behaviour == "early" else await _read_body(head, reader)
            for piece in _answer(behaviour, expected(number, body)):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            if behaviour.startswith("reset"):
                reset(writer)
                return
            if behaviour.startswith("stall"):
                await reader.read()
            if behaviour not in ("length", "chunks", "interim"):
                return


async def _read_body(head: bytes, reader: asyncio.StreamReader) -> bytes:
    if b"transfer-encoding: chunked" in head:
        body = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readexactly(2)
        return body
    _, found, rest = head.partition(b"content-length: ")
    return await reader.readexactly(int(rest.split(b"\r\n")[0])) if found else b""


def _answer(behaviour: str, body: bytes) -> list[bytes]:
    head = b"HTTP/1.1 200 OK\r\n"
    sized = head + b"Content-Length: %d\r\n\r\n" % len(body)
    coded = head + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body)
    half = body[: len(body) // 2]
    return {
        "length": [sized, body],
        "chunks": [coded, half, body[len(half) :] + b"\r\n0\r\n\r\n"],
        "until close": [head + b"\r\n", half, body[len(half) :]],
        "kept once": [sized + body],
        "interim": [b"HTTP/1.1 103 Early Hints\r\n\r\n", sized + body],
        "early": [sized + body],
        "too much": [sized + body + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nnobody"],
        "garbage": [b"\x00\x01\x02 nonsense\r\n\r\n"],
        "no head": [head + b"Content-Len"],
        "truncated": [sized + half],
        "bad chunk": [coded, b"x" + body + b"nonsense\r\n\r\n"],
        "stall inside": [sized + half],
        "reset inside": [coded + half],
    }.get(behaviour, [])


class Read:
    """One answer as llhttp reads it."""

    def __init__(self) -> None:
        self.body, self.complete = b"", False
        self.parser = httptools.HttpResponseParser(self)

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.complete = self.parser.get_status_code() >= 200  # an informational answer completes nothing


@dataclass
class Tally:
    """What the clients saw."""

    answers: Counter[int] = field(default_factory=Counter)
    broken: int = 0
    vanished: int = 0
    undelivered: int = 0
    """A kept connection closed under a request that may not be repeated (RFC 9112 §9.3.1): the honest answer is 502."""
    wrong: list[str] = field(default_factory=list)


def _request(number: int, body: bytes, chunked: bool) -> bytes:
    if not body:
        return b"GET /r/%d HTTP/1.1\r\nHost: a\r\n\r\n" % number
    if chunked:
        head = b"PUT /r/%d HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" % number
        return head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    return b"POST /r/%d HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (number, len(body), body)


async def client(here: Here, upstream: Faulty, numbers: list[int], tally: Tally, random: Random) -> None:
    """Ask for each number once, on connections that are kept as long as the gateway keeps them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
    for number in numbers:
        if writer.is_closing() or reader.at_eof():
            writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        body = random.randbytes(random.choice((0, 0, 10, 3_000)))
        writer.write(_request(number, body, chunked=random.random() < 0.5))
        if not body and random.random() < 0.1:
            await vanish(writer, upstream, number, random)
            tally.vanished += 1
            continue
        keep = await read_answer(reader, number, body, upstream, tally)
        if not keep:
            writer.close()
    writer.close()


async def vanish(writer: asyncio.StreamWriter, upstream: Faulty, number: int, random: Random) -> None:
    """Leave, politely or not, once the upstream has the request."""
    async with asyncio.timeout(10):
        while not upstream.seen[number]:
            await asyncio.sleep(0.001)
    if random.random() < 0.5:
        reset(writer)
    else:
        writer.close()


async def read_answer(reader: asyncio.StreamReader, number: int, sent: bytes, upstream: Faulty, tally: Tally) -> bool:
    """Read and count one answer; whether the connection goes on after it."""
    read = Read()
    parser = read.parser
    try:
        while not read.complete and (piece := await asyncio.wait_for(reader.read(65_536), 15)):
            parser.feed_data(piece)
    except ConnectionResetError:
        pass  # one of the two ways in which an answer is visibly broken
    if not read.complete:
        tally.broken += 1
        return False
    status = parser.get_status_code()
    tally.answers[status] += 1
    if not upstream.seen[number]:
        tally.undelivered += 1
    if not plausible(status, read.body, number, sent, upstream):
        tally.wrong.append(f"{number} {upstream.behaviour(number)}: {status} {read.body[:120]!r}")
    return bool(parser.should_keep_alive())


def plausible(status: int, body: bytes, number: int, sent: bytes, upstream: Faulty) -> bool:
    """Whether a complete answer may follow from what the upstream did."""
    behaviour = upstream.behaviour(number)
    if not upstream.seen[number]:
        return status == 502 and sent != b"" and b"upstream_reset" in body
    if behaviour in (*GOOD, "too much"):
        return status == 200 and body == expected(number, sent)
    if behaviour == "early":
        return (status == 200 and body == expected(number, b"")) or status == 502
    return status in (502, 504)


async def run(seed: int) -> None:
    upstream, tally, random = Faulty(seed), Tally(), Random(seed)
    async with (
        upstream_here(upstream.serve) as port,
        gateway_here(port, timeouts="request: 2s, backendRequest: 700ms") as here,
    ):
        before = asyncio.all_tasks()
        shares = [list(range(first, REQUESTS, CLIENTS)) for first in range(CLIENTS)]
        await asyncio.gather(*(client(here, upstream, share, tally, Random(random.random())) for share in shares))
        await nothing_left(here, before)
        compare(here, upstream, tally)


async def nothing_left(here: Here, before: set[asyncio.Task[None]]) -> None:
    """No exchange, connection, waiter or task outlives its client."""
    (cluster,) = here.worker.snapshot.clusters.values()
    (endpoint,) = cluster.endpoints
    async with asyncio.timeout(10):
        while here.worker.exchanges or here.listener.connections or endpoint.active:
            await asyncio.sleep(0.01)
        cluster.retire()
        while endpoint.open or endpoint.connecting:
            await asyncio.sleep(0.01)
    assert not cluster.pending
    serving = {task for task in asyncio.all_tasks() - before if "upstream_here" not in repr(task)}
    assert not serving
    assert here.failures == []


def compare(here: Here, upstream: Faulty, tally: Tally) -> None:
    """The gateway's counters against the clients' own count."""
    assert tally.wrong == []
    assert sum(tally.answers.values()) + tally.broken + tally.vanished == REQUESTS
    assert sum(1 for count in upstream.seen.values() if count) == REQUESTS - tally.undelivered
    assert tally.undelivered < REQUESTS / 8  # one event loop for both sides makes this race common
    assert min(tally.answers[200], tally.answers[502], tally.answers[504], tally.broken, tally.vanished) > 5
    total = "http_server_request_duration_seconds_count"
    assert here.total(total) == REQUESTS
    counted = {code: here.total(total, http_response_status_code=str(code)) for code in tally.answers}
    surplus = {code: count - tally.answers[code] for code, count in counted.items()}
    assert all(count >= 0 for count in surplus.values()), surplus
    gone = here.total(total, http_response_status_code="499")
    assert gone == here.total("gateway_clients_gone_total") <= tally.vanished
    assert sum(surplus.values()) + gone == tally.broken + tally.vanished
    assert tally.broken <= here.total("gateway_broken_answers_total") <= tally.broken + tally.vanished
    assert here.total("gateway_protocol_refusals_total") == 0
    repeated = sum(count - 1 for count in upstream.seen.values() if count)
    assert repeated <= here.total("gateway_stale_connection_retries_total")


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_every_request_is_answered_once_or_visibly_broken(
    factory: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(run(seed=20_26))
