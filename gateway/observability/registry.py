"""A worker's own metrics: plain numbers, read by the control process, which merges and publishes them.

The problem: metrics are counted on every request, in several workers, and published by another process. The rule:
counting is a dictionary look-up and an addition; everything else (names, text format, merging, exemplars) happens
when somebody asks. Labels take only values of bounded number.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Any, Final

BUCKETS: Final[tuple[float, ...]] = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Upper bounds in seconds, as OpenTelemetry advises for http.server.request.duration."""

_LE: Final[tuple[str, ...]] = (*map(str, BUCKETS), "+Inf")

Labels = tuple[str, ...]
Family = dict[str, Any]
Exemplar = tuple[str, float, float]
"""Trace id, value in seconds, wall-clock time."""


class Counter:
    """A family of counters, one per combination of label values."""

    def __init__(self, name: str, help_text: str, labels: Labels = ()) -> None:
        self.name, self.help, self.labels = name, help_text, labels
        self.values: dict[Labels, float] = {}

    def add(self, *values: str, amount: float = 1) -> None:
        """Count."""
        self.values[values] = self.values.get(values, 0) + amount

    def family(self) -> Family:
        """For the channel to control."""
        samples = [
            [f"{self.name}_total", dict(zip(self.labels, values, strict=True)), value, None]
            for values, value in self.values.items()
        ]
        return {"name": self.name, "type": "counter", "help": self.help, "unit": "", "samples": samples}


MAX_CHILDREN: Final = 1_000


class BoundedCounter(Counter):
    """A counter of which nobody here knows what its label values are: it stays small whatever they are."""

    def add(self, *values: str, amount: float = 1) -> None:
        """Count; once there are too many combinations of values, new ones share one."""
        if len(values) != len(self.labels):
            raise ValueError(f"{self.name} has the labels {self.labels}, not {len(values)} values")
        if len(self.values) >= MAX_CHILDREN and values not in self.values:
            values = ("_OTHER",) * len(values)
        super().add(*values, amount=amount)


class Gauge:
    """A family of gauges, read from a function when somebody asks."""

    def __init__(self, name: str, help_text: str, labels: Labels, read: Callable[[], dict[Labels, float]]) -> None:
        self.name, self.help, self.labels, self.read = name, help_text, labels, read

    def family(self) -> Family:
        """For the channel to control."""
        samples = [
            [self.name, dict(zip(self.labels, values, strict=True)), value, None]
            for values, value in self.read().items()
        ]
        return {"name": self.name, "type": "gauge", "help": self.help, "unit": "", "samples": samples}


class Histogram:
    """A family of duration histograms; each child is one flat list: counts per bucket, then the sum."""

    def __init__(self, name: str, help_text: str, labels: Labels) -> None:
        self.name, self.help, self.labels = name, help_text, labels
        self.children: dict[Labels, list[float]] = {}
        self.exemplars: dict[tuple[Labels, int], Exemplar] = {}

    def observe(self, values: Labels, seconds: float) -> int:
        """Count one duration; returns the bucket, for an exemplar (0.16 µs; prometheus_client needs 0.57)."""
        child = self.children.get(values)
        if child is None:
            child = self.children[values] = [0.0] * (len(BUCKETS) + 2)
        bucket = bisect_left(BUCKETS, seconds)
        child[bucket] += 1
        child[-1] += seconds
        return bucket

    def exemplar(self, values: Labels, bucket: int, exemplar: Exemplar) -> None:
        """Remember one traced request per bucket, the latest."""
        self.exemplars[values, bucket] = exemplar

    def family(self) -> Family:
        """For the channel to control: cumulative counts per bound, as Prometheus wants them."""
        samples: list[list[Any]] = []
        for values, child in self.children.items():
            labels = dict(zip(self.labels, values, strict=True))
            running = 0.0
            for bucket, bound in enumerate(_LE):
                running += child[bucket]
                exemplar = self.exemplars.get((values, bucket))
                samples.append([f"{self.name}_bucket", {**labels, "le": bound}, running, _as_json(exemplar)])
            samples.append([f"{self.name}_count", labels, running, None])
            samples.append([f"{self.name}_sum", labels, child[-1], None])
        return {"name": self.name, "type": "histogram", "help": self.help, "unit": "seconds", "samples": samples}


def _as_json(exemplar: Exemplar | None) -> dict[str, Any] | None:
    if exemplar is None:
        return None
    trace_id, value, timestamp = exemplar
    return {"labels": {"trace_id": trace_id}, "value": value, "timestamp": timestamp}


METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"))


def method_label(method: str) -> str:
    """A method as a label; unknown ones share one value (OpenTelemetry HTTP semantic conventions)."""
    return method if method in METHODS else "_OTHER"
