"""Rates, errors and latency from counters that only grow.

The problem: workers and services report totals since their start, and start again at zero; people want "12
requests per second, p95 40 ms". The rule: per source only the growth between two reports counts (a first
report is a baseline, a smaller one a restart), the growth is added up per key, and one look per second at
the sums gives a minute of history. Quantiles are interpolated within histogram buckets, as Prometheus'
histogram_quantile does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

HISTOGRAM = "http_server_request_duration_seconds"
MAX_KEYS = 2_000
RATE_SECONDS = 10.0
HISTORY_SECONDS = 60.0


@dataclass(frozen=True)
class Totals:
    """Requests counted so far; `buckets` are cumulative counts by upper bound in seconds."""

    count: float = 0.0
    refused: float = 0.0
    failing: float = 0.0
    buckets: tuple[tuple[float, float], ...] = ()

    def plus(self, other: Totals, sign: int = 1) -> Totals:
        """Sum or, with sign -1, difference."""
        mine, theirs = dict(self.buckets), dict(other.buckets)
        bounds = sorted(mine.keys() | theirs.keys())
        return Totals(
            self.count + sign * other.count,
            self.refused + sign * other.refused,
            self.failing + sign * other.failing,
            tuple((bound, mine.get(bound, 0.0) + sign * theirs.get(bound, 0.0)) for bound in bounds),
        )


class Tally:
    """Adds up histogram samples into Totals by key."""

    def __init__(self) -> None:
        self._counts: dict[str, list[float]] = {}
        self._buckets: dict[str, dict[float, float]] = {}

    def add(self, key: str, sample: str, labels: Mapping[str, str], value: float) -> None:
        """One sample of the request duration histogram; 4xx counts as refused, 5xx as failing."""
        counts = self._counts.setdefault(key, [0.0, 0.0, 0.0])
        if sample.endswith("_bucket"):
            buckets = self._buckets.setdefault(key, {})
            bound = float(labels.get("le", "inf"))
            buckets[bound] = buckets.get(bound, 0.0) + value
        elif sample.endswith("_count"):
            status = labels.get("http_response_status_code", "")
            counts[0] += value
            counts[1] += value if status.startswith("4") else 0.0
            counts[2] += value if status.startswith("5") else 0.0

    def totals(self) -> dict[str, Totals]:
        """What was added."""
        return {
            key: Totals(count, refused, failing, tuple(sorted(self._buckets.get(key, {}).items())))
            for key, (count, refused, failing) in self._counts.items()
        }


def quantile(share: float, buckets: Iterable[tuple[float, float]]) -> float | None:
    """The value, in seconds, below which `share` of the observations lie; None without observations."""
    steps = list(buckets)
    if not steps or steps[-1][1] <= 0:
        return None
    wanted, low, below = share * steps[-1][1], 0.0, 0.0
    for bound, upto in steps:
        if upto >= wanted:
            if bound == float("inf"):
                return low
            return low + (bound - low) * (wanted - below) / (upto - below) if upto > below else bound
        low, below = bound, upto
    return low


class RateBook:
    """A minute of history for a set of keys (routes, or services)."""

    def __init__(self) -> None:
        self._last: dict[str, dict[str, Totals]] = {}
        self._sums: dict[str, Totals] = {}
        self._history: deque[tuple[float, dict[str, Totals]]] = deque()

    def report(self, source: str, totals: dict[str, Totals]) -> None:
        """A source's newest totals."""
        before = self._last.get(source)
        self._last[source] = totals
        if before is None:
            return
        for key, now in totals.items():
            old = before.get(key, Totals())
            if key in self._sums or len(self._sums) < MAX_KEYS:
                growth = now if now.count < old.count else now.plus(old, -1)
                if growth.count:
                    self._sums[key] = self._sums.get(key, Totals()).plus(growth)

    def forget(self, source: str) -> None:
        """A source has ended; its next report is a baseline again."""
        self._last.pop(source, None)

    def tick(self, now: float) -> None:
        """Look at the sums; call once per second."""
        self._history.append((now, dict(self._sums)))
        while now - self._history[0][0] > HISTORY_SECONDS:
            self._history.popleft()

    def keys(self) -> list[str]:
        """Every key with traffic since the start."""
        return list(self._sums)

    def total(self, *, course: bool = True) -> dict[str, Any]:
        """All keys together, as `view` gives one."""
        return self._summary([(when, _sum(sums.values())) for when, sums in self._looks(course)], course)

    def view(self, key: str, *, course: bool = True) -> dict[str, Any]:
        """Rates per second over ten seconds, quantiles in ms over a minute, and, if wanted, the rate's course."""
        return self._summary([(when, sums.get(key, Totals())) for when, sums in self._looks(course)], course)

    def recent(self) -> dict[str, Any]:
        """All keys together over ten seconds, quantiles too."""
        looks = list(self._history)
        then = next((one for one in looks if looks[-1][0] - one[0] <= RATE_SECONDS + 0.5), None)
        return self._summary([(when, _sum(sums.values())) for when, sums in (then, looks[-1])] if then else [], False)

    def _looks(self, course: bool) -> list[tuple[float, dict[str, Totals]]]:
        """The history; without its course only those looks that a summary is made of."""
        looks = list(self._history)
        if course or len(looks) < 3:
            return looks
        then = next(one for one in looks if looks[-1][0] - one[0] <= RATE_SECONDS + 0.5)
        return [looks[0], then, looks[-1]]

    def minute(self, key: str) -> Totals:
        """What has been counted for a key since the history begins: within a minute."""
        if not self._history:
            return Totals()
        (_, first), (_, latest) = self._history[0], self._history[-1]
        return latest.get(key, Totals()).plus(first.get(key, Totals()), -1)

    @property
    def seconds(self) -> float:
        """How far the history goes back: up to a minute."""
        return self._history[-1][0] - self._history[0][0] if self._history else 0.0

    @staticmethod
    def _summary(course: list[tuple[float, Totals]], series: bool = True) -> dict[str, Any]:
        more: dict[str, Any] = {"series": []} if series else {}
        if len(course) < 2:
            return {"rate": 0.0, "refused": 0.0, "failing": 0.0, "p50_ms": None, "p95_ms": None, **more}
        (now, latest), (_, first) = course[-1], course[0]
        then, base = next((at, sums) for at, sums in course if now - at <= RATE_SECONDS + 0.5)
        recent, seconds = latest.plus(base, -1), max(now - then, 1.0)
        minute = latest.plus(first, -1).buckets
        if series:
            more["series"] = [
                round((b.count - a.count) / max(later - earlier, 0.001), 1)
                for (earlier, a), (later, b) in pairwise(course)
            ]
        return {
            "rate": round(recent.count / seconds, 3),
            "refused": round(recent.refused / seconds, 3),
            "failing": round(recent.failing / seconds, 3),
            "p50_ms": _millis(quantile(0.5, minute)),
            "p95_ms": _millis(quantile(0.95, minute)),
            **more,
        }


def _sum(totals: Iterable[Totals]) -> Totals:
    result = Totals()
    for one in totals:
        result = result.plus(one)
    return result


def _millis(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)
