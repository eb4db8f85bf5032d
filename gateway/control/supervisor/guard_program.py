"""A tiny program that outlives a killed supervisor, to see to what it had started.

The problem: kill -9 cannot be caught. Without a parent nobody restarts what dies, a foreign program such as Redis
does not notice, and a hanging one never ends; but what runs serves people and must not be stopped for that. The
rule: the supervisor tells this process over a pipe which children exist. When the pipe ends without a good-bye, a
new supervisor is started that takes them over; if it does not say that it did, or there was a good-bye, whatever is
still listed is stopped: SIGTERM, then SIGKILL. It works the same on Linux and macOS, and needs nothing but the
standard library.

    guard_program.py COMMAND …     what starts a successor; it is given `--told FD`, a pipe on which it says that it
                                   has taken over, and after it the listed children and what rests, as they were told

Lines on standard input: `+PID WORDS` a child was started (it leads a session and so a process group), `-PID` it has
ended, `~NAME` somebody stopped it on purpose, `!NAME` and wants it again, `.` good-bye.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable, Sequence

GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL."""
TAKEN_OVER = b"."


def read_children(lines: Iterable[str]) -> tuple[dict[int, str], set[str], bool]:
    """Follow the lines to their end: who is left, what was said of it, what rests, whether there was a good-bye."""
    children: dict[int, str] = {}
    resting: set[str] = set()
    for line in lines:
        who, _, words = line[1:].strip().partition(" ")
        if line[0] == "+":
            children[int(who)] = words
        elif line[0] == "-":
            children.pop(int(who), None)
        elif line[0] == "~":
            resting.add(who)
        elif line[0] == "!":
            resting.discard(who)
        else:
            return children, resting, True
    return children, resting, False


def send(group: int, number: int) -> bool:
    """Signal a process group; False if there is none."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS: only zombies are left in the group
        return False
    return True


def stop(orphans: Iterable[int], grace: float = GRACE) -> None:
    """End every group, politely first."""
    end = time.monotonic() + grace
    left = {pid for pid in orphans if send(pid, signal.SIGTERM)}
    while left and time.monotonic() < end:
        time.sleep(0.05)
        left = {pid for pid in left if send(pid, 0)}
    for pid in left:
        send(pid, signal.SIGKILL)


def hand_over(command: Sequence[str], children: dict[int, str], resting: Iterable[str]) -> bool:
    """Start a successor; True when it has taken the children over."""
    if not command:
        return False
    told, telling = os.pipe()
    os.set_inheritable(telling, True)
    told_of = [*(f"{pid} {words}" for pid, words in children.items()), *(f"~{name}" for name in resting)]
    arguments = [*command, "--told", str(telling), *told_of]
    try:
        os.posix_spawn(command[0], arguments, os.environ, setsigdef=IGNORED)
    except OSError:
        return False
    os.close(telling)
    return os.read(told, 1) == TAKEN_OVER  # empty: it ended without a word


IGNORED = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)

if __name__ == "__main__":
    for ignored in IGNORED:
        signal.signal(ignored, signal.SIG_IGN)  # it ends with the pipe, never before
    orphans, at_rest, good_bye = read_children(sys.stdin)
    if good_bye or not orphans or not hand_over(sys.argv[1:], orphans, at_rest):
        stop(orphans)
