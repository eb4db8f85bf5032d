"""Processes that are born of one that has loaded their program already (gateway.mesh.nursery).

The rule: it is a shortcut and nothing else. A process that is born differs from one that was started in nothing that
anybody can see but its parent; where there is no nursery, where it has ended, or does not know a program, processes
are started the ordinary way.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.control.supervisor.guard_program import send
from gateway.control.supervisor.logs import open_log
from gateway.control.supervisor.program import Program, python_module

PRELOADED = "gateway.roles.preloaded"
"""What the processes of the data plane have in common."""
READ_SPEC = "gateway.control.supervisor.read_spec"
"""Needs the same libraries, for a moment."""
PYTHON = python_module("")[:-1]
LONGEST = 4_096


class NoNursery(Exception):
    """It has ended; whoever is to be born must be started."""


class Born:
    """A process whose parent is the nursery, which tells us its end."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.code: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()

    async def wait(self) -> int | None:
        """Its exit code, negative for a signal; None when the nursery ended before it, so nobody knows."""
        return await asyncio.shield(self.code)


class Nursery:
    """Our end of the line."""

    def __init__(self, process: asyncio.subprocess.Process, line: socket.socket, modules: Sequence[str]) -> None:
        self._process, self._line, self._modules = process, line, tuple(modules)
        self._asked: deque[asyncio.Future[Born]] = deque()
        self._children: dict[int, Born] = {}
        self._watching: set[asyncio.Task[None]] = set()
        line.setblocking(False)
        asyncio.get_running_loop().add_reader(line, self._heard)

    @classmethod
    async def start(
        cls, modules: Sequence[str], preload: Sequence[str], cwd: Path, log: Path, environ: Mapping[str, str]
    ) -> Nursery:
        """Start one for these modules and those below them; it loads what they share while we go on.

        Raises:
            OSError: it cannot be run.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        output = open_log(log)
        try:
            process = await asyncio.create_subprocess_exec(
                *python_module("gateway.mesh.nursery"), "--line-fd", str(theirs.fileno()), "--preload", *preload,
                cwd=cwd, env=dict(environ), pass_fds=[theirs.fileno()], start_new_session=True,
                stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
            os.close(output)
        return cls(process, ours, modules)

    @property
    def pid(self) -> int | None:
        """While it is there."""
        return self._process.pid if self._line.fileno() >= 0 else None

    def knows(self, plan: Program) -> bool:
        """Whether a process of this plan can be born."""
        python, module = plan.argv[:-1], plan.argv[-1]
        known = any(f"{module}.".startswith(f"{one}.") for one in self._modules)
        return self.pid is not None and python == PYTHON and known and not plan.path

    async def bear(
        self, plan: Program, arguments: Sequence[str], inherited: Sequence[int], log: int, rules_fd: int | None
    ) -> Born:
        """A process of this plan; `inherited` are descriptors that keep their numbers.

        Raises:
            NoNursery: there is none any more.
        """
        numbers = [*inherited, *([] if rules_fd is None else [rules_fd])]
        question: dict[str, Any] = {
            "module": plan.argv[-1],
            "arguments": list(arguments),
            "cwd": str(plan.cwd),
            "fds": [1, 2, *numbers],
            "rules_fd": rules_fd,
        }
        answer: asyncio.Future[Born] = asyncio.get_running_loop().create_future()
        self._asked.append(answer)
        try:
            socket.send_fds(self._line, [json.dumps(question).encode()], [log, log, *numbers])
        except OSError:  # it has ended, or does not read: a queue of dozens is full
            self._end()
        return await answer

    def _heard(self) -> None:
        try:
            data = self._line.recv(LONGEST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._end()
            return
        said: dict[str, int] = json.loads(data)
        if "born" in said:
            child = self._children[said["born"]] = Born(said["born"])
            if (asked := self._asked.popleft()).cancelled():
                send(child.pid, signal.SIGKILL)
            else:
                asked.set_result(child)
        elif (ended := self._children.pop(said["ended"], None)) is not None:
            ended.code.set_result(said["code"])

    def _end(self) -> None:
        """There is no nursery any more. Its children live on; their ends are seen by the kernel's word."""
        if self._line.fileno() < 0:
            return
        asyncio.get_running_loop().remove_reader(self._line)
        self._line.close()
        for asked in self._asked:
            if not asked.done():
                asked.set_exception(NoNursery())
        self._asked.clear()
        for child in self._children.values():
            task = asyncio.get_running_loop().create_task(_watch(child))
            self._watching.add(task)
            task.add_done_callback(self._watching.discard)
        self._children.clear()

    async def close(self) -> None:
        """Let it go."""
        self._end()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2.0):
                await self._process.wait()
                return
        send(self._process.pid, signal.SIGKILL)
        await self._process.wait()


async def _watch(child: Born) -> None:
    from gateway.control.supervisor.process import until_gone

    await until_gone(child.pid)
    child.code.set_result(None)
