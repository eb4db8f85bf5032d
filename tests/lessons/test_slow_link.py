"""A slow way: when bytes arrive, and that they arrive as they were."""

from __future__ import annotations

import asyncio

from scenarios.lessons.slow_link import PACKET, Line, slow_link


def test_a_byte_takes_the_delay_and_waits_for_those_before_it() -> None:
    line = Line(delay=0.15, rate=1_000)
    assert line.arrival(100, now=10.0) == 10.0 + 0.1 + 0.15
    assert line.arrival(100, now=10.0) == 10.0 + 0.2 + 0.15  # two at once share the line
    assert line.arrival(100, now=20.0) == 20.0 + 0.1 + 0.15  # and an idle one saves nothing up
    assert line.passed == 300


async def test_what_passes_is_what_was_sent_and_is_counted() -> None:
    question, answer = b"q" * (3 * PACKET + 1), b"a" * 10_000

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(len(question)) == question
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    clock = asyncio.get_running_loop().time
    async with server, slow_link("127.0.0.1", port, round_trip=0.05, rate=1e6) as link:
        began = clock()
        reader, writer = await asyncio.open_connection("127.0.0.1", int(link.url.rpartition(":")[2]))
        writer.write(question)
        assert await reader.read(-1) == answer  # until its end, which passes, too
        assert clock() - began >= 0.1  # one round trip to connect, one for the question
        writer.close()
        assert (link.out.passed, link.back.passed) == (len(question), len(answer))
