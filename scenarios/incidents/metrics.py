"""When a fault becomes visible: expressions over the real metrics, evaluated from scrapes of our own.

The problem: "you could see it in the dashboard" is a claim. The rule: each incident states an expression and a
threshold; the moment of the first scrape at which it is crossed is when the fault was visible. An expression says of
itself what it is in PromQL, so that a learner can put it into Prometheus, and it works where no Prometheus runs. Rates
follow Prometheus' (a counter that has fallen has begun anew), without its extrapolation to the window's edges.
https://prometheus.io/docs/prometheus/latest/querying/functions/
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

from prometheus_client.parser import text_string_to_metric_families

WINDOW = 10.0
"""Seconds over which rates are taken: a class room's. In production it would be five minutes."""
KEPT = 64
"""Scrapes that are remembered."""
GATEWAY = "gateway"
"""The source that is the control process: what all workers count."""

Labels = tuple[tuple[str, str], ...]
Series = Mapping[Labels, float]


@dataclass(frozen=True)
class Select:
    """Series by name and labels, in the metrics of the gateway or of one service; `re` are regular expressions."""

    name: str
    equal: Mapping[str, str] = field(default_factory=dict)
    re: Mapping[str, str] = field(default_factory=dict)
    source: str = GATEWAY

    @property
    def promql(self) -> str:
        """As PromQL."""
        said = [f'{name}="{value}"' for name, value in self.equal.items()]
        said += [f'{name}=~"{value}"' for name, value in self.re.items()]
        if self.source != GATEWAY:
            said.append(f'service="{self.source}"')
        return f"{self.name}{{{', '.join(said)}}}" if said else self.name

    def fits(self, labels: Labels) -> bool:
        """Whether a series of that name is meant."""
        known = dict(labels)
        return all(known.get(name) == value for name, value in self.equal.items()) and all(
            re.fullmatch(value, known.get(name, "")) for name, value in self.re.items()
        )


class History:
    """The latest scrapes."""

    def __init__(self) -> None:
        self._scrapes: deque[tuple[float, Mapping[tuple[str, str], Series]]] = deque(maxlen=KEPT)

    def add(self, now: float, texts: Mapping[str, str], wanted: Iterable[Select]) -> None:
        """One scrape of each source, as Prometheus text; only what is wanted is read of it."""
        names = defaultdict[str, set[str]](set)
        for one in wanted:
            names[one.source].add(one.name)
        found = {
            (source, name): series
            for source, text in texts.items()
            for name, series in parse(text, names[source]).items()
        }
        self._scrapes.append((now, found))

    def latest(self, select: Select) -> Series:
        """The values of now."""
        return self._of(self._scrapes[-1][1], select) if self._scrapes else {}

    def window(self, select: Select) -> list[Series]:
        """The values of each scrape in the window, the oldest first; scrapes that failed are left out."""
        end = self._scrapes[-1][0] if self._scrapes else 0.0
        there = [one for at, one in self._scrapes if at >= end - WINDOW and (select.source, select.name) in one]
        return [self._of(one, select) for one in there]

    @staticmethod
    def _of(scrape: Mapping[tuple[str, str], Series], select: Select) -> Series:
        series = scrape.get((select.source, select.name), {})
        return {labels: value for labels, value in series.items() if select.fits(labels)}

    def increases(self, select: Select) -> dict[Labels, float]:
        """By how much each counter has grown within the window."""
        grown, scrapes = defaultdict[Labels, float](float), self.window(select)
        for before, after in pairwise(scrapes):
            for labels, value in after.items():
                old = before.get(labels, 0.0)
                grown[labels] += value - old if value >= old else value
        return grown


def parse(text: str, names: set[str]) -> dict[str, dict[Labels, float]]:
    """The series of these names; a name that does not occur has none.

    Raises:
        ValueError: the text is not in Prometheus' format.
    """
    found: dict[str, dict[Labels, float]] = {name: {} for name in names}
    lines = [line for line in text.splitlines() if re.split(r"[{ ]", line, maxsplit=1)[0] in names]
    for family in text_string_to_metric_families("\n".join([*lines, ""])):
        for sample in family.samples:
            found[sample.name][tuple(sorted(sample.labels.items()))] = sample.value
    return found


class Expression(Protocol):
    """Something that has a value at every time."""

    @property
    def promql(self) -> str:
        """The same for Prometheus."""

    def selects(self) -> Iterator[Select]:
        """What it reads."""

    def value(self, history: History) -> float | None:
        """Its value now; None while there is nothing to tell."""


@dataclass(frozen=True)
class Rate:
    """How often a second."""

    of: Select

    @property
    def promql(self) -> str:
        """As PromQL."""
        return f"sum(rate({self.of.promql}[{WINDOW:g}s]))"

    def selects(self) -> Iterator[Select]:
        """What it reads."""
        yield self.of

    def value(self, history: History) -> float | None:
        """Per second."""
        return sum(history.increases(self.of).values()) / WINDOW


@dataclass(frozen=True)
class Ratio:
    """One rate as a share, or a multiple, of another."""

    part: Select
    whole: Select
    least: float = 5.0
    """Fewer events in the window prove nothing."""

    @property
    def promql(self) -> str:
        """As PromQL."""
        return f"{Rate(self.part).promql} / {Rate(self.whole).promql}"

    def selects(self) -> Iterator[Select]:
        """What it reads."""
        yield self.part
        yield self.whole

    def value(self, history: History) -> float | None:
        """The quotient."""
        whole = sum(history.increases(self.whole).values())
        return sum(history.increases(self.part).values()) / whole if whole >= self.least else None


@dataclass(frozen=True)
class Quantile:
    """How slow the slowest are: a quantile of a histogram, in its unit."""

    q: float
    of: Select
    """The histogram's `_bucket` series."""
    least: float = 5.0

    @property
    def promql(self) -> str:
        """As PromQL."""
        return f"histogram_quantile({self.q:g}, sum by (le) (rate({self.of.promql}[{WINDOW:g}s])))"

    def selects(self) -> Iterator[Select]:
        """What it reads."""
        yield self.of

    def value(self, history: History) -> float | None:
        """Interpolated within the bucket, as Prometheus does."""
        buckets = defaultdict[float, float](float)
        for labels, grown in history.increases(self.of).items():
            buckets[float(dict(labels)["le"])] += grown
        bounds = sorted(buckets.items())
        if not bounds or bounds[-1][1] < self.least:
            return None
        return interpolate(bounds, self.q * bounds[-1][1])


def interpolate(bounds: list[tuple[float, float]], rank: float) -> float:
    """Where in cumulative buckets (upper bound, count) the rank lies; in the last one, which has no end, its begin."""
    low = before = 0.0
    for high, count in bounds:
        if count >= rank:
            return low if high == float("inf") else low + (high - low) * (rank - before) / max(count - before, 1e-9)
        low, before = high, count
    return low


@dataclass(frozen=True)
class Growth:
    """How much more a gauge is than at the window's begin."""

    of: Select

    @property
    def promql(self) -> str:
        """As PromQL."""
        return f"delta({self.of.promql}[{WINDOW:g}s])"

    def selects(self) -> Iterator[Select]:
        """What it reads."""
        yield self.of

    def value(self, history: History) -> float | None:
        """The difference; None while a process is so young that the window has not been filled once."""
        values = [next(iter(one.values())) for one in history.window(self.of) if one]
        return values[-1] - values[0] if len(values) > 1 else None


@dataclass(frozen=True)
class Signal:
    """What shows the fault: an expression that crosses a threshold."""

    says: str
    """In words."""
    expression: Expression
    above: float
    shown: Callable[[float], str]
    """A value with its unit, for people."""

    @property
    def promql(self) -> str:
        """The condition, as PromQL."""
        return f"{self.expression.promql} > {self.above:g}"

    def crossed(self, value: float | None) -> bool:
        """Whether it shows."""
        return value is not None and value > self.above
