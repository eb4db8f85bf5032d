"""Reading the logs of processes, while they are written.

The problem: a log grows, is cut when it is long (gateway.control.supervisor.logs), and its last line may be half
written. The rule: only whole lines are read, so many at most; a position says where to go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

TAIL_BYTES = 4 * 1_048_576
"""How far back from its end a log is read."""
MORE_BYTES = 262_144
"""How much of what was added is read at one time."""


def last_lines(path: Path, count: int) -> tuple[list[str], int]:
    """The last whole lines of a file (of its last 4 MiB), and the position behind them, in bytes."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - TAIL_BYTES))
        lines = file.read(TAIL_BYTES).splitlines(keepends=True)
    if lines and not lines[-1].endswith(b"\n"):
        size -= len(lines.pop())
    return [_decoded(line) for line in lines[-count:]] if count else [], size


def more_lines(path: Path, position: int) -> tuple[list[str], int]:
    """The whole lines behind a position, MORE_BYTES at most, and the position behind them; a cut file is read anew."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        start = position if position <= size else 0
        file.seek(start)
        found = file.read(MORE_BYTES)
    end = found.rfind(b"\n") + 1
    if not end and len(found) == MORE_BYTES:  # no line is so long: what comes next is another one
        end = len(found)
    return [_decoded(line) for line in found[:end].split(b"\n")[:-1]], start + end


def added_lines(path: Path, position: int, wait: Callable[[], None]) -> Iterator[str]:
    """Whole lines as they are added behind `position`; a cut or replaced file is read from its start."""
    inode = path.stat().st_ino
    while True:
        status = path.stat()
        if status.st_size < position or status.st_ino != inode:
            position, inode = 0, status.st_ino
        with path.open("rb") as file:
            file.seek(position)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                position += len(line)
                yield _decoded(line)
        wait()


def _decoded(line: bytes) -> str:
    return line.decode("utf-8", "replace").rstrip("\r\n")
