"""A slow reader, described once for both directions of a stream."""

from __future__ import annotations

from typing import Final

PAUSE: Final = 1.0
"""Seconds in which nothing is read at all, so that every buffer on the way fills."""
BYTES_PER_SECOND: Final = 256 * 2**20
"""Slower than any proxy here, so that back-pressure holds from the first byte to the last."""


class Pace:
    """How far a reader is ahead of its pace."""

    def __init__(self, started: float) -> None:
        """`started` in seconds of the clock that `wait` is told."""
        self._started = started
        self._bytes = 0

    def wait(self, count: int, now: float) -> float:
        """Seconds to wait after `count` more bytes; not positive when there is no need to."""
        self._bytes += count
        return self._started + self._bytes / BYTES_PER_SECOND - now
