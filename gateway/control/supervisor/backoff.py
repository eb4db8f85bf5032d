"""How long to wait before a restart.

The problem: a program that dies at once, restarted at once, eats a core and floods its log. The rule: 0.1 s,
doubled with each death up to 5 s, and back to 0.1 s after it has been healthy for ten seconds.
"""

from __future__ import annotations

FIRST = 0.1
LONGEST = 5.0
HEALTHY_AFTER = 10.0


class Backoff:
    """Delays in seconds, one process each."""

    def __init__(self, first: float = FIRST, longest: float = LONGEST, healthy_after: float = HEALTHY_AFTER) -> None:
        self._first, self._longest, self._healthy_after = first, longest, healthy_after
        self._next = first

    def after(self, healthy_seconds: float) -> float:
        """The delay after a life that was healthy for so long."""
        if healthy_seconds >= self._healthy_after:
            self._next = self._first
        delay, self._next = self._next, min(self._next * 2, self._longest)
        return delay
