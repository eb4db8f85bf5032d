"""Targets held against rows: met, missed, or not decided because a row is absent or void."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.model import Row, Target, Workload

UNITS = {
    "cpu_us": "CPU µs/request",
    "rate": "requests/s",
    "p50_ms": "p50 ms",
    "p99_ms": "p99 ms",
    "p999_ms": "p99.9 ms",
    "rss_idle_mib": "RSS MiB idle",
    "rss_mib": "RSS MiB",
    "mib_per_cpu_second": "MiB/CPU s",
    "kib_per_connection": "KiB/connection",
    "growth_mib": "growth MiB",
    "messages_per_cpu_second": "messages/CPU s",
    "messages_per_second": "messages/s",
    "spans_per_request": "spans/request",
}
"""What the names of numbers mean, in the order of the table's columns."""


@dataclass(frozen=True)
class Verdict:
    """A target and what came of it."""

    workload: str
    target: str
    """In words."""
    value: float | None
    """The number that the target limits: absolute, or a ratio; None when it could not be told."""
    met: bool | None

    @property
    def word(self) -> str:
        """met, MISSED or not measured."""
        return "not measured" if self.met is None else "met" if self.met else "MISSED"


def words(target: Target) -> str:
    """A target as a sentence."""
    bound = "≥" if target.at_least else "≤"
    limit = f"{target.limit:g} × {target.base}" if target.base else f"{target.limit:g}"
    return f"{target.row}: {UNITS[target.metric]} {bound} {limit}"


def judge(workload: Workload, rows: Iterable[Row]) -> list[Verdict]:
    """Every target of one workload; `rows` are those of this run."""
    by_name = {row.name: row for row in rows if row.workload == workload.name and not row.void}
    return [_judge(workload.name, target, by_name) for target in workload.targets]


def _judge(workload: str, target: Target, rows: dict[str, Row]) -> Verdict:
    own = rows[target.row].values.get(target.metric) if target.row in rows else None
    base = 1.0
    if target.base:
        base = rows[target.base].values.get(target.metric, 0.0) if target.base in rows else 0.0
    if own is None or not base:
        return Verdict(workload, words(target), None, None)
    value = own / base
    return Verdict(workload, words(target), value, value >= target.limit if target.at_least else value <= target.limit)
