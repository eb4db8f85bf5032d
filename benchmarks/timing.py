"""How long a call takes."""

from __future__ import annotations

import time
from collections.abc import Callable

REPEATS = 7


def measure(step: Callable[[], object], count: int) -> float:
    """CPU microseconds of one call: the best of several rows of `count`, since noise only ever adds."""
    return min(_row(step, count) for _ in range(REPEATS))


def compare(step: Callable[[], object], base: Callable[[], object], count: int) -> float:
    """CPU microseconds that a call of `step` takes more than one of `base`: the best of rows in turns, so that a
    machine that becomes slower meanwhile slows both."""
    rows = [(_row(step, count), _row(base, count)) for _ in range(REPEATS)]
    return min(one for one, _ in rows) - min(other for _, other in rows)


def _row(step: Callable[[], object], count: int) -> float:
    started = time.process_time()
    for _ in range(count):
        step()
    return (time.process_time() - started) / count * 1e6
