"""Who calls whom, from the traffic of the last minute.

The problem: a drawing of an architecture shows what somebody meant; what matters is who talks to whom, how well, and
whether anybody could read it. The rule: each edge is what both its ends counted. The one that counted more is
believed: what never arrived only the source knows, and what went past the source's sidecar only the destination.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, Final, NamedTuple

from gateway.control.mesh.metrics import DENIALS, REQUESTS
from gateway.control.messages import FamilyMessage
from gateway.control.metrics_merge import Family
from gateway.control.rates import RateBook, Tally, Totals, quantile

MAX_EDGES: Final = 1_000


class Side(NamedTuple):
    """One kind of requests, as one end of an edge counted them."""

    source: str
    destination: str
    reporter: str
    security: str

    @classmethod
    def of(cls, key: str) -> Side:
        """From its key in the book."""
        return cls(*key.split(" "))

    @property
    def key(self) -> str:
        """Names hold no spaces."""
        return " ".join(self)


class Topology:
    """A minute of history of every edge."""

    def __init__(self) -> None:
        self._rates = RateBook()

    def report(self, source: str, families: Iterable[FamilyMessage]) -> None:
        """The newest totals of a process; `source` names it with its pid."""
        tally = Tally()
        for family in families:
            if family.name == REQUESTS:
                for name, labels, value, _ in family.samples:
                    parts = (labels.get(one, "") for one in Side._fields)
                    tally.add(Side(*(part.replace(" ", "_") or "?" for part in parts)).key, name, labels, value)
        self._rates.report(source, tally.totals())

    def forget(self, source: str) -> None:
        """A process has ended."""
        self._rates.forget(source)

    def tick(self, now: float) -> None:
        """Call once per second."""
        self._rates.tick(now)

    def edges(self) -> list[dict[str, Any]]:
        """Every edge that had traffic within the last minute, by source and destination."""
        sides = sorted(map(Side.of, self._rates.keys()))
        by_edge = groupby(sides, lambda side: (side.source, side.destination))
        found = [self._edge(source, destination, list(several)) for (source, destination), several in by_edge]
        return [one for one in found if one is not None][:MAX_EDGES]

    def _edge(self, source: str, destination: str, sides: list[Side]) -> dict[str, Any] | None:
        counted = {side: self._rates.minute(side.key) for side in sides}
        seen_by = {reporter: _sum(counted, reporter) for reporter in ("source", "destination")}
        believed = max(seen_by, key=lambda reporter: seen_by[reporter].count)
        total = seen_by[believed]
        if not total.count:
            return None
        secured = [side for side in sides if side.reporter == believed and side.security != "none"]
        return {
            "source": source,
            "destination": destination,
            "requests": total.count,
            "requests_per_second": round(total.count / max(self._rates.seconds, 1.0), 3),
            "refused": total.refused,
            "failed": total.failing,
            "p50_ms": _milliseconds(quantile(0.5, total.buckets)),
            "p95_ms": _milliseconds(quantile(0.95, total.buckets)),
            "encrypted": round(sum(counted[side].count for side in secured) / total.count, 4),
            "security": sorted({side.security for side in sides if counted[side].count}),
            "seen_by": {reporter: one.count for reporter, one in seen_by.items()},
        }

    @property
    def seconds(self) -> float:
        """Which span of time the edges are about."""
        return round(self._rates.seconds, 1)


def _sum(counted: dict[Side, Totals], reporter: str) -> Totals:
    result = Totals()
    for side, totals in counted.items():
        if side.reporter == reporter:
            result = result.plus(totals)
    return result


def denials(families: Iterable[Family]) -> Iterator[dict[str, Any]]:
    """What policies refused since control started: who called whom, by which line."""
    for family in families:
        if family.name == DENIALS:
            for (_, labels), (value, _) in sorted(family.samples.items()):
                yield {**dict(labels), "count": value}


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)
