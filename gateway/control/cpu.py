"""How much of a processor each process uses.

The problem: the kernel tells how long a process has run in all, not how busy it is now. The rule: two looks, and what
was added between them, by the time between them. A process id that means another process now counts from its start.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import psutil


class Look(NamedTuple):
    """What one process had used at one moment."""

    began: float
    """When it was started: with its id, this is who it is."""
    used: float
    """Seconds of processor time, in user mode and in the kernel."""
    at: float


def look(pid: int) -> tuple[float, float] | None:
    """When a process began, and the seconds of processor time that it has used; None when it is gone or not told."""
    try:
        process = psutil.Process(pid)
        times = process.cpu_times()
        return process.create_time(), times.user + times.system
    except psutil.Error:
        return None


class CpuMeter:
    """Percent of one processor, between the latest two looks."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        looking: Callable[[int], tuple[float, float] | None] = look,
    ) -> None:
        self._clock, self._looking = clock, looking
        self._last: dict[int, Look] = {}

    def measure(self, processes: Iterable[dict[str, Any]]) -> None:
        """Write `cpu_percent` into each process that has a `pid`; None at its first look."""
        before, self._last = self._last, {}
        for process in processes:
            pid = process.get("pid")
            process["cpu_percent"] = self._percent(pid, before.get(pid)) if isinstance(pid, int) else None

    def _percent(self, pid: int, before: Look | None) -> float | None:
        found = self._looking(pid)
        if found is None:
            return None
        now = self._last[pid] = Look(*found, self._clock())
        if before is None or before.began != now.began or now.at <= before.at:
            return None
        return round(100 * (now.used - before.used) / (now.at - before.at), 1)
