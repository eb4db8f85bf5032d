"""How requests ended: how many, how many failed, and how long they took.

The problem: two versions of a service are compared by numbers of several workers, whose sums and differences must
still be exact. The rule: everything is a count. Times are counted in steps of a tenth (0.1 ms, 0.11 ms, … 60 s), so
that a quantile is known to within 5 % wherever it lies; the few large buckets of the metrics would say "between
100 and 250 ms".
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import Any, Final

BOUNDS: Final = tuple(0.0001 * 1.1**step for step in range(141))
"""Upper bounds in seconds; what takes longer than the last is counted behind it."""


class Outcomes:
    """Counts that only grow, unless one takes a difference."""

    __slots__ = ("failures", "requests", "times")

    def __init__(self, requests: int = 0, failures: int = 0, times: dict[int, int] | None = None) -> None:
        self.requests = requests
        self.failures = failures
        self.times = Counter(times or {})
        """Requests by index in BOUNDS; not all have a time (nobody could be connected to)."""

    def __repr__(self) -> str:
        return f"<Outcomes {self.failures} of {self.requests} failed>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Outcomes) and self.report() == other.report()

    __hash__ = None  # type: ignore[assignment]  # it changes

    def count(self, failed: bool, seconds: float | None) -> None:
        """One request more."""
        self.requests += 1
        self.failures += failed
        if seconds is not None:
            self.times[bisect_left(BOUNDS, seconds)] += 1

    def add(self, other: Outcomes, sign: int = 1) -> None:
        """Take in another's counts or, with sign -1, take them out."""
        self.requests += sign * other.requests
        self.failures += sign * other.failures
        for index, number in other.times.items():
            self.times[index] += sign * number
            if not self.times[index]:
                del self.times[index]

    def since(self, before: Outcomes) -> Outcomes:
        """What was counted after `before`."""
        grown = Outcomes(self.requests, self.failures, self.times)
        grown.add(before, -1)
        return grown

    @property
    def error_ratio(self) -> float:
        """The share that failed, 0.0 to 1.0; 0.0 of none."""
        return self.failures / self.requests if self.requests else 0.0

    def quantile(self, share: float, at_least: int = 1) -> float | None:
        """The time in seconds that `share` of the timed requests did not exceed; None when fewer have a time."""
        timed = self.times.total()
        if timed < max(at_least, 1):
            return None
        wanted, seen = share * timed, 0
        for index in sorted(self.times):
            seen += self.times[index]
            if seen >= wanted:
                break
        return float(BOUNDS[min(index, len(BOUNDS) - 1)] / 1.1**0.5)  # the middle of its step

    def report(self) -> dict[str, Any]:
        """For the channel to control."""
        return {"requests": self.requests, "failures": self.failures, "times": sorted(self.times.items())}
