"""The line to control: whatever breaks it, the worker dials again."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvloop

from gateway.roles.channel import Channel, over_unix_socket
from gateway.roles.worker import Worker


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """Control's end, as a plain socket: a test decides how it dies."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        server.setblocking(False)
        yield server


async def never(*_: Any) -> float:
    raise AssertionError("no configuration is sent here")


async def test_a_reset_line_is_dialled_again(tmp_path: Path) -> None:
    """`kill -9` of control with unread bytes is a reset, not an end, for the worker's side."""
    loop = asyncio.get_running_loop()
    worker = Worker("gateway-1", time.monotonic, random.Random(1), None)
    with listening(tmp_path / "control.sock") as server:
        dial = over_unix_socket(str(tmp_path / "control.sock"))
        channel = asyncio.create_task(Channel(dial, worker, never, {"role": "edge"}).run())
        try:
            async with asyncio.timeout(5):
                first, _ = await loop.sock_accept(server)
                while not said_something(first):
                    await asyncio.sleep(0)
                first.close()  # its hello is unread
                second, _ = await loop.sock_accept(server)
                second.close()
        finally:
            channel.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await channel


def said_something(sock: socket.socket) -> bool:
    """Whether bytes wait; they go on waiting."""
    try:
        return bool(sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except BlockingIOError:
        return False


def test_nothing_is_written_to_a_line_that_has_just_closed(tmp_path: Path) -> None:
    """uvloop raises a RuntimeError for that, and what a reporter raises would end the worker."""
    uvloop.run(report_after_the_end(tmp_path / "control.sock"))


async def report_after_the_end(path: Path) -> None:
    worker = Worker("gateway-1", time.monotonic, random.Random(1), None)
    with listening(path):
        channel = Channel(over_unix_socket(str(path)), worker, never, {"role": "edge"})
        _, writer = await channel._dial()
        writer.transport.abort()
        await asyncio.sleep(0)  # now it is closed; that reading has ended is noticed after the reporters had their turn
        channel._writer = writer
        channel._send({"type": "stats"})
