"""Runs the commands of lessons on a shop, and says whether they print what the lessons show.

Each command gets a shell of its own, in a folder that goes when the lesson is over. The shop is found by the
environment, so commands stand in a lesson as somebody types them. The code of the shop is in that folder as a link,
for lessons that patch it.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Timer
from typing import Any, Final

import sample_services
from scenarios.lessons.matching import drift
from scenarios.lessons.model import Command

LONGEST: Final = 120.0
"""Seconds for one command."""


@dataclass(frozen=True)
class Outcome:
    """How a command went."""

    command: Command
    printed: str
    code: int
    seconds: float

    @property
    def drift(self) -> str:
        """How it was not as the lesson shows it; empty when it was."""
        if (self.code != 0) != self.command.fails:
            return f"ended with exit code {self.code}"
        return drift(self.command.shown, self.printed)

    def view(self) -> dict[str, Any]:
        """For programs."""
        return {
            "command": self.command.text,
            "printed": self.printed,
            "exit_code": self.code,
            "seconds": round(self.seconds, 2),
            "drift": self.drift,
        }


@dataclass(frozen=True)
class Desk:
    """Where somebody types the commands of one lesson."""

    folder: Path
    environment: dict[str, str]

    def type(self, command: Command, echo: Callable[[str], None] = lambda line: None) -> Outcome:
        """Run it; `echo` gets each line that it prints, as it comes."""
        began = time.monotonic()
        shell = subprocess.Popen(  # noqa: S603 (that is what a lesson is for; it comes with this installation)
            ["/bin/sh", "-c", command.text], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace",
        )  # fmt: skip
        assert shell.stdout is not None
        lines: list[str] = []
        with shell, _ended_after(LONGEST, shell):
            for line in shell.stdout:
                lines.append(line)
                echo(line)
        return Outcome(command, "".join(lines), shell.returncode, time.monotonic() - began)


@contextmanager
def desk(state_dir: Path) -> Iterator[Desk]:
    """A folder to work in, and an environment in which `gatehouse` is this one and finds this shop."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GATEHOUSE_", "COLUMNS"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', os.defpath)}"
    with tempfile.TemporaryDirectory(prefix="gatehouse-lesson-") as folder:
        (Path(folder) / "sample_services").symlink_to(sample_services.__path__[0])
        made = Desk(Path(folder), {**kept, "PATH": path, "GATEHOUSE_STATE_DIR": str(state_dir)})
        try:
            yield made
        finally:
            for instance in Path(folder).glob("*/instance.json"):  # the lesson ended before it took its own shop down
                made.type(Command(f"gatehouse down --state-dir {shlex.quote(str(instance.parent))}", ()))


@contextmanager
def _ended_after(seconds: float, process: subprocess.Popen[str]) -> Iterator[None]:
    timer = Timer(seconds, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
