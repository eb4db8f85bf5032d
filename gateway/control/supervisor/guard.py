"""The supervisor's side of the guard: start it, tell it who lives, start it again should it die."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from pathlib import Path

PROGRAM = Path(__file__).with_name("guard_program.py")
log = logging.getLogger(__name__)


class Guard:
    """Stops our children when we can no longer do it (see guard_program)."""

    def __init__(self) -> None:
        self._children: set[int] = set()
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def start(self) -> None:
        """Start it; from now on nobody we tell of is left behind."""
        await self._spawn()
        self._task = asyncio.create_task(self._keep(), name="guard")

    async def stop(self) -> None:
        """Close its pipe and wait: it stops whoever is still listed, normally nobody."""
        if self._task:
            self._task.cancel()
            await asyncio.wait({self._task})
        if self._process and self._process.stdin:
            self._process.stdin.close()
            await self._process.wait()

    def started(self, pid: int) -> None:
        """A child lives."""
        self._children.add(pid)
        self._tell(f"+{pid}\n")

    def ended(self, pid: int) -> None:
        """A child has ended."""
        self._children.discard(pid)
        self._tell(f"-{pid}\n")

    def _tell(self, line: str) -> None:
        if self._process and self._process.stdin and not self._process.stdin.is_closing():
            self._process.stdin.write(line.encode())

    async def _spawn(self) -> None:
        # -I -S: no site-packages, no environment: it stays at a few MiB and cannot be influenced.
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", str(PROGRAM),
            stdin=asyncio.subprocess.PIPE, start_new_session=True, cwd="/",
        )  # fmt: skip
        for pid in self._children:
            self._tell(f"+{pid}\n")

    async def _keep(self) -> None:
        while self._process:
            code = await self._process.wait()
            log.warning("guard ended, starting it again", extra={"exit_code": code})
            await asyncio.sleep(0.1)
            with contextlib.suppress(OSError):
                await self._spawn()
