"""The supervisor's side of the guard: start it, tell it who lives, start it again should it die."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

PROGRAM = Path(__file__).with_name("guard_program.py")
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Life:
    """A child that runs, as the guard is told of it and tells a successor."""

    pid: int
    name: str
    spawned: float
    """When it was started, by the machine's monotonic clock, which all its processes share."""
    restarts: int = 0
    isolation: str = ""
    """What it said of its own isolation, once it has."""

    def words(self) -> str:
        """For one line."""
        return f"{self.pid} {json.dumps({name: value for name, value in asdict(self).items() if name != 'pid'})}"

    @classmethod
    def parse(cls, words: str) -> Life:
        """The inverse of `words`.

        Raises:
            ValueError, TypeError: they are something else.
        """
        pid, _, facts = words.partition(" ")
        return cls(pid=int(pid), **json.loads(facts))


@dataclass(frozen=True)
class Successor:
    """What a guard needs to start another supervisor: a command, and the descriptors that it inherits."""

    command: Sequence[str] = ()
    descriptors: Sequence[int] = ()
    close: Sequence[int] = ()
    """Those of them that are the guard's alone, once it has them."""


class Guard:
    """Sees to our children when we can no longer do it (see guard_program).

    Args:
        successor: called when a guard is started, with what holds by then.
    """

    def __init__(self, successor: Callable[[], Successor] = Successor) -> None:
        self._successor = successor
        self._children: dict[int, Life] = {}
        self._resting: set[str] = set()
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
        """Say good-bye and wait: it stops whoever is still listed, normally nobody."""
        if self._task:
            self._task.cancel()
            await asyncio.wait({self._task})
        if self._process and self._process.stdin:
            self._tell(".\n")
            self._process.stdin.close()
            await self._process.wait()

    async def renew(self) -> None:
        """Replace it by one that knows what a successor must know now; the children are watched all the time."""
        former = self._process
        if self._task:
            self._task.cancel()
            await asyncio.wait({self._task})
        await self.start()
        if former and former.stdin:
            former.stdin.write(b"".join(f"-{pid}\n".encode() for pid in self._children) + b".\n")
            former.stdin.close()
            await former.wait()

    def started(self, life: Life) -> None:
        """A child lives."""
        self._children[life.pid] = life
        self._tell(f"+{life.words()}\n")

    def ended(self, pid: int) -> None:
        """A child has ended."""
        self._children.pop(pid, None)
        self._tell(f"-{pid}\n")

    def rests(self, name: str, on_purpose: bool) -> None:
        """Somebody stopped it on purpose, or wants it again."""
        (self._resting.add if on_purpose else self._resting.discard)(name)
        self._tell(f"{'~' if on_purpose else '!'}{name}\n")

    def _tell(self, line: str) -> None:
        if self._process and self._process.stdin and not self._process.stdin.is_closing():
            self._process.stdin.write(line.encode())

    async def _spawn(self) -> None:
        successor = self._successor()
        # -I -S: no site-packages, no environment: it stays at a few MiB and cannot be influenced.
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", str(PROGRAM), *successor.command, pass_fds=successor.descriptors,
            stdin=asyncio.subprocess.PIPE, start_new_session=True, cwd="/",
        )  # fmt: skip
        for fd in successor.close:
            os.close(fd)
        for life in self._children.values():
            self._tell(f"+{life.words()}\n")
        for name in self._resting:
            self._tell(f"~{name}\n")

    async def _keep(self) -> None:
        while self._process:
            code = await self._process.wait()
            log.warning("guard ended, starting it again", extra={"exit_code": code})
            await asyncio.sleep(0.1)
            with contextlib.suppress(OSError):
                await self._spawn()
