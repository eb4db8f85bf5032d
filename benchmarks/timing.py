"""How long a call takes."""

from __future__ import annotations

import time
from collections.abc import Callable

REPEATS = 7


def measure(step: Callable[[], object], count: int) -> float:
    """CPU microseconds of one call: the best of several rows of `count`, since noise only ever adds."""
    best = float("inf")
    for _ in range(REPEATS):
        started = time.process_time()
        for _ in range(count):
            step()
        best = min(best, (time.process_time() - started) / count * 1e6)
    return best
