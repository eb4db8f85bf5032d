"""One child process from its start to its end.

The problem: a child that shares our terminal dies of the user's Ctrl-C before we can stop it in order, one
that inherits our environment and arguments leaks secrets to `ps`, and one that outlives us keeps ports. The
rule: each has its own session, a reduced environment, its settings on a pipe, a lifeline (a pipe that ends
when we and our guard are gone), and its output in its own log.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, Protocol

from gateway.control.supervisor.confined_line import Line, open_line
from gateway.control.supervisor.guard_program import send
from gateway.control.supervisor.logs import open_log
from gateway.control.supervisor.nursery import NoNursery, Nursery
from gateway.control.supervisor.program import ProcessPlan, Program

_KEEP = {"PATH", "HOME", "LANG", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR"}
_KEEP_PREFIXES = ("LC_", "PYTHON", "OTEL_")
_OURS = {"PYDANTIC_DISABLE_PLUGINS": "__all__"}
"""No installed package may hook into our models, and none is looked for at each start (some 20 ms a process)."""
_SECRET = {"OTEL_EXPORTER_OTLP_HEADERS"}
"""Reaches the children through their settings instead."""


def reduced_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What a child needs of our environment; tokens and keys of the user's shell stay out."""
    kept = (name for name in environ if name in _KEEP or name.startswith(_KEEP_PREFIXES))
    return _OURS | {name: environ[name] for name in kept if name not in _SECRET}


class Lifeline:
    """A pipe nobody writes to: its read end reaches EOF in every child when this process and the guard have ended."""

    def __init__(self) -> None:
        self.read_fd, self.write_fd = os.pipe()

    def close(self) -> None:
        """End it; doing so twice is harmless."""
        for fd in (self.read_fd, self.write_fd):
            if fd >= 0:
                os.close(fd)
        self.read_fd = self.write_fd = -1


class Child:
    """A running process; `ended` returns when it is gone, with its exit code if we can know it."""

    def __init__(self, pid: int, ended: Callable[[], Awaitable[int | None]], line: Line | None = None) -> None:
        self.pid = pid
        self._ended = ended
        self._line = line

    @property
    def memory_fd(self) -> int | None:
        """On which to read how much memory it uses, if it has closed that to others."""
        return self._line.memory_fd if self._line else None

    async def isolation(self) -> str:
        """What it says of its isolation, as soon as it says it; empty if nobody asked it to confine itself."""
        return await self._line.report() if self._line else ""

    async def wait(self) -> str:
        """How it ended, in words; grandchildren left in its group are ended, too."""
        code = await self._ended()
        send(self.pid, signal.SIGKILL)
        if self._line:
            self._line.close()
        return describe(code)

    def kill(self) -> None:
        """End it and its group at once."""
        send(self.pid, signal.SIGKILL)

    async def end(self, grace: float) -> None:
        """SIGTERM, and SIGKILL after `grace` seconds."""
        send(self.pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(grace):
                await self._ended()
        except TimeoutError:
            self.kill()
            await self._ended()


def describe(code: int | None) -> str:
    """`exit code 3` or `signal SIGKILL`."""
    if code is None:
        return "exit code unknown: a killed supervisor had started it"
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"


class Process(Protocol):
    """A process that we, or the nursery, have started."""

    @property
    def pid(self) -> int:
        """Its number."""

    async def wait(self) -> int | None:
        """Its exit code, once it has ended, if it can be known."""


class Seedling:
    """A process that runs and has not got its settings yet: it loads its libraries in the meantime."""

    def __init__(self, process: Process, settings_fd: int, lifeline: Lifeline, line: Line | None = None) -> None:
        self._process, self._settings_fd, self._lifeline, self._line = process, settings_fd, lifeline, line

    async def settle(self, settings: Mapping[str, Any]) -> Child:
        """Give it its settings."""
        fd, self._settings_fd = self._settings_fd, -1
        await _send_settings(fd, {**settings, "lifeline_fd": self._lifeline.read_fd})
        return Child(self._process.pid, self._process.wait, self._line)

    async def give_up(self) -> None:
        """End it, if it never got any."""
        if self._settings_fd >= 0:
            os.close(self._settings_fd)
            self._settings_fd = -1
            send(self._process.pid, signal.SIGKILL)
            await self._process.wait()
            if self._line:
                self._line.close()


async def sow(
    plan: Program, lifeline: Lifeline, environ: Mapping[str, str], nurseries: Sequence[Nursery] = ()
) -> Seedling:
    """Start a process that reads its settings from a pipe.

    Raises:
        OSError: the program cannot be run, or its log not be opened.
    """
    settings_read, settings_write = os.pipe()
    try:
        process, line = await _execute(
            plan, environ, ["--settings-fd", str(settings_read)], [settings_read, lifeline.read_fd], nurseries
        )
    except OSError:
        os.close(settings_write)
        raise
    finally:
        os.close(settings_read)
    return Seedling(process, settings_write, lifeline, line)


async def spawn(
    plan: ProcessPlan, lifeline: Lifeline, environ: Mapping[str, str], nurseries: Sequence[Nursery] = ()
) -> Child:
    """Start a process, with its settings if it takes any.

    Raises:
        OSError: the program cannot be run, or its log not be opened.
    """
    settings = plan.settings_for_start(time.time())
    if settings is not None:
        return await (await sow(plan, lifeline, environ, nurseries)).settle(settings)
    process, line = await _execute(plan, environ, [], [])
    return Child(process.pid, process.wait, line)


async def ask(
    plan: Program, question: Mapping[str, Any], environ: Mapping[str, str], nurseries: Sequence[Nursery] = ()
) -> dict[str, Any] | None:
    """The answer of a process that is there for one question, on a socket (`--line-fd N`); None: it gave none.

    Raises:
        OSError: the program cannot be run, or its log not be opened.
    """
    ours, theirs = socket.socketpair()
    try:
        number = theirs.fileno()
        process, _ = await _execute(plan, environ, ["--line-fd", str(number)], [number], nurseries)
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
    reader, writer = await asyncio.open_connection(sock=ours)
    answer = b""
    with contextlib.closing(writer), contextlib.suppress(ConnectionError):  # it ended before it had heard all
        writer.write(json.dumps(question).encode())
        writer.write_eof()
        answer = await reader.read()
    return json.loads(answer) if await process.wait() == 0 else None


async def _execute(
    plan: Program,
    environ: Mapping[str, str],
    arguments: Sequence[str],
    inherited: Sequence[int],
    nurseries: Sequence[Nursery] = (),
) -> tuple[Process, Line | None]:
    plan.cwd.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as ours:  # what only the child needs afterwards
        log = open_log(plan.log)
        ours.callback(os.close, log)
        line, command, theirs = open_line(plan)
        rules_fd = None if theirs is None else ours.enter_context(theirs).fileno()
        passed = [*plan.keep_fds, *inherited]
        try:
            for nursery in (one for one in nurseries if one.knows(plan)):
                with contextlib.suppress(NoNursery):
                    return await nursery.bear(plan, arguments, passed, log, rules_fd), line
            process = await asyncio.create_subprocess_exec(
                *command, *arguments, cwd=plan.cwd, env=_environment(plan, environ),
                pass_fds=[*passed, *([] if rules_fd is None else [rules_fd])],
                start_new_session=True, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        except OSError:
            if line:
                line.close()
            raise
    return process, line


def _environment(plan: Program, environ: Mapping[str, str]) -> dict[str, str]:
    if not plan.path:
        return dict(environ)
    return {**environ, "PYTHONPATH": os.pathsep.join(filter(None, (plan.path, environ.get("PYTHONPATH"))))}


def adopt(pid: int) -> Child:
    """A process that a predecessor of ours had started: not our child, so the kernel tells its end, not its code."""
    watching = asyncio.create_task(until_gone(pid), name=f"watch {pid}")

    async def ended() -> None:
        await asyncio.shield(watching)

    return Child(pid, ended)


async def until_gone(pid: int) -> None:
    """Return when a process has ended that need not be our child."""
    if not hasattr(os, "pidfd_open"):  # macOS
        while send(pid, 0):
            await asyncio.sleep(0.1)
        return
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop, gone = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(fd, gone.set)  # readable once the process has ended (pidfd_open(2))
    try:
        await gone.wait()
    finally:
        loop.remove_reader(fd)
        os.close(fd)


async def _send_settings(fd: int, settings: Mapping[str, Any]) -> None:
    """Without waiting for the child to read: settings may be longer than the pipe, and a child may die first."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, os.fdopen(fd, "wb"))
    transport.write(json.dumps(settings).encode())
    transport.write_eof()  # closes once everything is written
