"""One set of metrics out of several workers'.

The problem: each worker counts for itself, and workers come and go; a counter that falls when a worker dies
makes every rate wrong. The rule: counters and histograms are summed over workers, and what a dead worker
had counted stays in the sum; gauges are summed over the workers that are there now; of exemplars the latest
stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from gateway.control.messages import Exemplar, FamilyMessage

Key = tuple[str, tuple[tuple[str, str], ...]]
"""A sample's name and its sorted labels."""


@dataclass
class Family:
    """A merged metric family."""

    name: str
    type: str
    help: str
    unit: str
    samples: dict[Key, tuple[float, Exemplar | None]] = field(default_factory=dict)

    def add(self, other: FamilyMessage | Family) -> None:
        """Add another source's samples to these."""
        for key, value, exemplar in _samples(other):
            old, seen = self.samples.get(key, (0.0, None))
            self.samples[key] = (old + value, _latest(seen, exemplar))


def _samples(family: FamilyMessage | Family) -> Iterable[tuple[Key, float, Exemplar | None]]:
    if isinstance(family, Family):
        for key, (value, exemplar) in family.samples.items():
            yield key, value, exemplar
        return
    for name, labels, value, exemplar in family.samples:
        yield (name, tuple(sorted(labels.items()))), value, exemplar


def _latest(one: Exemplar | None, other: Exemplar | None) -> Exemplar | None:
    if one is None or other is None:
        return one or other
    return other if (other.timestamp or 0.0) >= (one.timestamp or 0.0) else one


def _add_all(into: dict[str, Family], families: Iterable[FamilyMessage | Family], gauges: bool) -> None:
    for family in families:
        if family.type == "gauge" and not gauges:
            continue
        merged = into.setdefault(family.name, Family(family.name, family.type, family.help, family.unit))
        if merged.type == family.type:
            merged.add(family)


@dataclass
class _Source:
    pid: int
    connected: bool = True
    families: list[FamilyMessage] = field(default_factory=list)


class MetricsBook:
    """What every worker reported last, and what the dead ones leave behind."""

    def __init__(self) -> None:
        self._sources: dict[str, _Source] = {}
        self._retired: dict[str, Family] = {}
        self.beside: Callable[[], Iterable[Family]] = tuple
        """Families that others have merged, to stand beside these."""

    def hello(self, worker: str, pid: int) -> None:
        """A worker has come: a successor if its name is known with another pid, else new or back."""
        source = self._sources.get(worker)
        if source is not None and source.pid != pid:
            _add_all(self._retired, source.families, gauges=False)
            source = None
        self._sources[worker] = source or _Source(pid)
        self._sources[worker].connected = True

    def stats(self, worker: str, families: list[FamilyMessage]) -> None:
        """A worker's newest cumulative values."""
        self._sources[worker].families = families

    def gone(self, worker: str, pid: int) -> None:
        """A worker has left: its counts stay, its gauges do not."""
        source = self._sources.get(worker)
        if source is not None and source.pid == pid:
            source.connected = False

    def merged(self) -> list[Family]:
        """The sum of all sources, by family name."""
        total: dict[str, Family] = {}
        _add_all(total, self._retired.values(), gauges=False)
        for source in self._sources.values():
            _add_all(total, source.families, gauges=source.connected)
        _add_all(total, self.beside(), gauges=True)
        return [total[name] for name in sorted(total)]
