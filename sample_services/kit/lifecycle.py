"""When to stop: a signal, or the end of the supervisor.

The problem: a supervisor that is killed cannot tell its children, and they live on with their ports. The rule:
each child holds the read end of a pipe whose write end only the supervisor has; the kernel closes it with the
supervisor, and the child reads EOF.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def stop_requested(lifeline_fd: int | None = None) -> Iterator[asyncio.Event]:
    """An event that is set by SIGTERM, SIGINT or EOF on the lifeline; the loop's own handlers within the block."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if lifeline_fd is not None:
        os.set_blocking(lifeline_fd, False)
        loop.add_reader(lifeline_fd, _read_lifeline, lifeline_fd, stop)
    try:
        yield stop
    finally:
        if lifeline_fd is not None:
            loop.remove_reader(lifeline_fd)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def _read_lifeline(fd: int, stop: asyncio.Event) -> None:
    if not os.read(fd, 64):
        asyncio.get_running_loop().remove_reader(fd)
        stop.set()
