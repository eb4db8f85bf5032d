"""The line on which a confined process is told its rules and tells what came of them (gateway/mesh/confined.py).

The problem: "this service is isolated" is worth what its source is worth. The rule: the process itself says it, after
it has tried and before anything of the service's own runs; from then on nobody can write to the line any more.
"""

from __future__ import annotations

import asyncio
import os
import socket

from gateway.control.supervisor.program import Program, python_module

LAUNCHER = "gateway.mesh.confined"
LONGEST_REPORT = 1_024
SILENT = "unknown: it ended before it said"


class Line:
    """Our end of it."""

    def __init__(self, ours: socket.socket) -> None:
        ours.setblocking(False)
        self._ours: socket.socket | None = ours
        self._memory_fd: int | None = None

    @property
    def memory_fd(self) -> int | None:
        """On which to read how much memory the process uses, once it has reported."""
        return self._memory_fd

    async def report(self) -> str:
        """What it says of its isolation; asked once."""
        ours, self._ours = self._ours, None
        assert ours is not None
        loop, readable = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(ours, readable.set)
        try:
            await readable.wait()
            said, descriptors, _, _ = socket.recv_fds(ours, LONGEST_REPORT, 1)
        except OSError:  # it ended, with rules unread
            return SILENT
        finally:
            loop.remove_reader(ours)
            ours.close()
        self._memory_fd = next(iter(descriptors), None)
        return said.decode("utf-8", "replace") or SILENT

    def close(self) -> None:
        """The process has ended."""
        if self._ours is not None:  # nobody waits for its report
            self._ours.close()
            self._ours = None
        if self._memory_fd is not None:
            os.close(self._memory_fd)
            self._memory_fd = None


def open_line(plan: Program) -> tuple[Line | None, tuple[str, ...], socket.socket | None]:
    """Our end, the command that confines itself before it becomes the plan's, and the socket that it inherits.

    For a plan without rules: its command as it is.
    """
    if plan.rules is None:
        return None, plan.argv, None
    ours, theirs = socket.socketpair()
    ours.sendall(plan.rules.dump())  # a few kilobytes: they fit into the socket
    ours.shutdown(socket.SHUT_WR)
    return Line(ours), (*python_module(LAUNCHER), "--rules-fd", str(theirs.fileno()), "--", *plan.argv), theirs
