"""Time that moves when a test says so."""

from __future__ import annotations

import time


class Clock:
    """A clock that stands still: what counts or waits in a gateway sees the time that the test has made it."""

    def __init__(self, now: float | None = None) -> None:
        """`now` in seconds since 1970; None: the present, so that certificates are good."""
        self.now = time.time() if now is None else now

    def __call__(self) -> float:
        """Seconds, for whoever asks for monotonic time and for whoever asks for the time of day."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
