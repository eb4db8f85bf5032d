"""A tiny program that outlives a killed supervisor by a few seconds, to stop what it started.

The problem: kill -9 cannot be caught, a foreign program such as Redis does not notice that its parent is
gone, and a hanging one never will; ports and memory would stay taken. The rule: the supervisor tells this
process over a pipe which children exist; when the pipe ends, whatever is still listed is stopped: SIGTERM,
then SIGKILL. It works the same on Linux and macOS, and needs nothing but the standard library.

Lines on standard input: `+PID` a child was started (it leads a session and so a process group), `-PID` it has
ended.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable

GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL."""


def read_children(lines: Iterable[str]) -> set[int]:
    """Follow the lines to their end; who is left is an orphan."""
    children: set[int] = set()
    for line in lines:
        pid = int(line[1:])
        (children.add if line[0] == "+" else children.discard)(pid)
    return children


def send(group: int, number: int) -> bool:
    """Signal a process group; False if there is none."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS: only zombies are left in the group
        return False
    return True


def stop(orphans: set[int], grace: float = GRACE) -> None:
    """End every group, politely first."""
    end = time.monotonic() + grace
    left = {pid for pid in orphans if send(pid, signal.SIGTERM)}
    while left and time.monotonic() < end:
        time.sleep(0.05)
        left = {pid for pid in left if send(pid, 0)}
    for pid in left:
        send(pid, signal.SIGKILL)


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)  # it ends with the pipe, never before
    stop(read_children(sys.stdin))
