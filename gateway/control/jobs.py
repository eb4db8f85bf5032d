"""Commands that the console runs: child processes, few at a time, bounded, and ended in order.

    start ─▶ running ─▶ done (exit code) · overdue · cancelled

The problem: a run of the lab may have weakened something, or have started a shop of its own, when somebody gives it up
or this process stops. The rule: a job is ended as a person ends it, by Ctrl-C (SIGINT), so that it takes back what it
did; who does not hear that is killed. What it prints is kept, so much at most; of finished jobs the latest are kept,
and the newest of each command in any case.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from gateway.control.problems import Problem
from gateway.control.supervisor.program import python_module

log = logging.getLogger(__name__)

MAX_RUNNING = 3
MAX_KEPT = 24
MAX_LINES = 20_000
MAX_BYTES = 4 * 1024 * 1024
"""Of what a job prints; and of one line."""
MAX_ERRORS = 40
"""Lines of its standard error: the latest."""
END_SECONDS = 8.0
"""Between Ctrl-C and SIGKILL; less than the control process itself is given."""


@dataclass(eq=False)
class Job:
    """One command that was begun."""

    id: str
    command: str
    words: Sequence[str]
    seconds: float
    """So long at most."""
    began: float = field(default_factory=time.time)
    state: str = "running"
    exit_code: int | None = None
    took: float = 0.0
    lines: list[str] = field(default_factory=list)
    errors: deque[str] = field(default_factory=lambda: deque(maxlen=MAX_ERRORS))
    truncated: bool = False
    size: int = 0
    process: Process | None = None
    early: int = 0
    """How often Enter was pressed before it had started."""
    patience: asyncio.Timeout | None = None
    """When it is ended, if that is put off by whoever follows it."""
    task: asyncio.Task[None] | None = None
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def view(self) -> dict[str, Any]:
        """All but the lines, as JSON."""
        return {
            "id": self.id,
            "command": self.command,
            "line": " ".join(["gatehouse", *(word for word in self.words if word != "--")]),
            "state": self.state,
            "exit_code": self.exit_code,
            "began": self.began,
            "seconds": round(self.took or time.time() - self.began, 2),
            "lines": len(self.lines),
            "truncated": self.truncated,
            "errors": list(self.errors),
        }

    async def news(self, after: int, within: float) -> None:
        """Return when there are more lines than `after`, when it has ended, or after `within` seconds."""
        try:
            async with asyncio.timeout(within), self.changed:
                await self.changed.wait_for(lambda: len(self.lines) > after or self.state != "running")
        except TimeoutError:
            return

    async def ended(self) -> None:
        """Return when it has ended."""
        async with self.changed:
            await self.changed.wait_for(lambda: self.state != "running")

    def step(self) -> None:
        """Press Enter.

        Raises:
            Problem: 409, it has ended.
        """
        if self.state != "running":
            raise Problem(409, "not_running", "this job has ended")
        if self.process is None or self.process.stdin is None:
            self.early += 1
        else:
            self.process.stdin.write(b"\n")

    def attend(self) -> None:
        """Somebody follows it: a job that waits for people is ended when nobody does, `seconds` later."""
        if self.patience is not None and self.state == "running":
            self.patience.reschedule(asyncio.get_running_loop().time() + self.seconds)

    async def tell(self, line: str | None = None) -> None:
        """Keep a line, if there is one, and wake who waits."""
        if line is not None:
            self.size += len(line)
            if self.size > MAX_BYTES or len(self.lines) >= MAX_LINES:
                self.truncated = True
            else:
                self.lines.append(line)
        async with self.changed:
            self.changed.notify_all()


class Jobs:
    """All jobs of one control process."""

    def __init__(self, state_dir: Path, program: Sequence[str] = ()) -> None:
        self._state_dir, self._program = state_dir, program or gatehouse()
        self._numbers = itertools.count(1)
        self.all: dict[str, Job] = {}

    def start(self, command: str, words: Sequence[str], seconds: float, *, attended: bool = False) -> Job:
        """Begin; `attended`: it waits for people, and `seconds` count from when somebody last looked.

        Raises:
            Problem: 409, too many run already.
        """
        if sum(job.state == "running" for job in self.all.values()) >= MAX_RUNNING:
            raise Problem(409, "too_many_jobs", f"{MAX_RUNNING} commands run already: wait, or stop one")
        job = Job(str(next(self._numbers)), command, words, seconds)
        self.all[job.id] = job
        self._forget()
        log.info("job begun", extra={"job": job.id, "command": job.view()["line"]})
        job.task = asyncio.create_task(self._run(job, attended=attended), name=f"job {job.id}")
        return job

    def get(self, name: str) -> Job:
        """The job of that id.

        Raises:
            Problem: 404, there is none (any more).
        """
        if name not in self.all:
            raise Problem(404, "no_such_job", "only the latest are kept")
        return self.all[name]

    async def printed(self, words: Sequence[str], seconds: float) -> Any:
        """The JSON that a command prints which only reads; it is no job that is listed.

        Raises:
            Problem: 503, it failed, was too slow, or printed something else.
        """
        job = Job("", "", words, seconds)
        await self._run(job)
        try:
            if job.state == "done" and job.exit_code == 0:
                return orjson.loads("\n".join(job.lines))
        except ValueError as error:
            job.errors.append(str(error))
        raise Problem(503, "command_failed", " ".join(job.errors)[-500:] or f"{job.view()['line']}: {job.state}")

    async def cancel(self, job: Job) -> None:
        """End it; returns when it has ended."""
        if job.task is not None:
            job.task.cancel()
            await asyncio.gather(job.task, return_exceptions=True)

    async def stop(self) -> None:
        """End all."""
        await asyncio.gather(*(self.cancel(job) for job in self.all.values()))

    def _forget(self) -> None:
        newest = {job.command: job.id for job in self.all.values()}
        for job in list(self.all.values()):
            if len(self.all) > MAX_KEPT and job.state != "running" and newest[job.command] != job.id:
                del self.all[job.id]

    async def _run(self, job: Job, *, attended: bool = False) -> None:
        try:
            async with asyncio.timeout(job.seconds) as limit:
                job.patience = limit if attended else None
                job.exit_code = await self._execute(job)
            job.state = "done"
        except TimeoutError:
            job.state = "overdue"
        except asyncio.CancelledError:
            job.state = "cancelled"
        except OSError as error:
            job.state, job.exit_code = "done", 127
            job.errors.append(str(error))
        job.took = time.time() - job.began
        log.info("job ended", extra={"job": job.id, "state": job.state, "exit_code": job.exit_code})
        await job.tell()

    async def _execute(self, job: Job) -> int:
        process = job.process = await asyncio.create_subprocess_exec(
            *self._program, *job.words, stdin=PIPE, stdout=PIPE, stderr=PIPE, limit=MAX_BYTES,
            cwd=self._state_dir, env=self._environment(),
        )  # fmt: skip
        try:
            assert process.stdin is not None
            process.stdin.write(b"\n" * job.early)
            assert process.stdout is not None
            assert process.stderr is not None
            await asyncio.gather(self._keep(process.stdout, job), self._keep_errors(process.stderr, job))
            return await process.wait()
        finally:
            await end(process)

    def _environment(self) -> dict[str, str]:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        here = {"GATEHOUSE_STATE_DIR": str(self._state_dir), "PATH": path}
        return {**os.environ, **here, "NO_COLOR": "1", "COLUMNS": "110"}

    async def _keep(self, output: asyncio.StreamReader, job: Job) -> None:
        async for line in whole_lines(output):
            await job.tell(line)

    async def _keep_errors(self, output: asyncio.StreamReader, job: Job) -> None:
        async for line in whole_lines(output):
            job.errors.append(line[:2_000])


def gatehouse() -> Sequence[str]:
    """How to call the command, so that what it prints for people to copy is short."""
    script = Path(sys.executable).with_name("gatehouse")
    return (str(script),) if script.exists() else python_module("gateway.cli.main")


async def whole_lines(output: asyncio.StreamReader) -> AsyncIterator[str]:
    """Line by line; one that is too long is left out."""
    while True:
        try:
            line = await output.readline()
        except ValueError:  # longer than the stream's limit
            continue
        if not line:
            return
        yield line.decode("utf-8", "replace").rstrip("\r\n")


async def end(process: Process) -> None:
    """Ctrl-C, then SIGKILL; returns when it has ended."""
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGINT)
    try:
        async with asyncio.timeout(END_SECONDS):
            await process.communicate()  # what it still says on its way out must not block it
    except TimeoutError:
        process.kill()
        await process.wait()
