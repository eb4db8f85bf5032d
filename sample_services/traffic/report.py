"""What happened, in one line for a period.

The problem: a line per request says less than no line. The rule: count by journey and outcome, tell, start again;
the sizes are bounded by the number of journeys and of status codes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any


class Report:
    """Counts of one period."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        self._journeys: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._examples: dict[str, str] = {}
        self._statuses: Counter[int] = Counter()
        self._unreachable = 0

    def journey(self, name: str, outcome: str, example: str | None = None) -> None:
        """A journey ended: `as_expected`, `unexpected`, `limited` or `unreachable`; the last example is told."""
        self._journeys[name][outcome] += 1
        if example is not None:
            self._examples[name] = example

    def answer(self, status: int) -> None:
        """The gateway answered one request."""
        self._statuses[status] += 1

    def unreachable(self) -> None:
        """The gateway did not answer one request."""
        self._unreachable += 1

    def take(self) -> dict[str, Any]:
        """The counts since the last call, ready for JSON; counting starts again."""
        summary = {
            "requests": self._statuses.total() + self._unreachable,
            "statuses": {str(status): count for status, count in sorted(self._statuses.items())},
            "unreachable": self._unreachable,
            "journeys": {name: dict(outcomes) for name, outcomes in sorted(self._journeys.items())},
            "examples": self._examples,
        }
        self._start()
        return summary
