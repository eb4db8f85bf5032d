"""The last three minutes of all requests, second by second: what the console's charts show.

Each point is what Prometheus would draw from `rate(…[10s])` at that second; the oldest go, so it never grows.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any, Final

from gateway.control.rates import RateBook

POINTS: Final = 180


class Course:
    """A ring of points: rate, refused and failing per second, and the p95 in ms."""

    def __init__(self) -> None:
        self._points: deque[tuple[float, float, float, float | None]] = deque(maxlen=POINTS)

    def tick(self, book: RateBook) -> None:
        """Note how it is now; call once per second."""
        now = book.recent()
        self._points.append((now["rate"], now["refused"], now["failing"], now["p95_ms"]))

    def view(self) -> dict[str, Any]:
        """The series, the newest last, and when that was (seconds since the epoch)."""
        names = ("rate", "refused", "failing", "p95_ms")
        columns = zip(*self._points, strict=True) if self._points else [()] * len(names)
        return {"until": round(time.time(), 1), **dict(zip(names, map(list, columns), strict=True))}
