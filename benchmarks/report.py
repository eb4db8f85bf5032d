"""A run as text for people and as JSON for programs."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from benchmarks.model import Row, Workload
from benchmarks.policy_costs import Cost, as_lines
from benchmarks.targets import UNITS, Verdict, judge


@dataclass(frozen=True)
class Report:
    """All that a run has to say."""

    machine: dict[str, str]
    peers: dict[str, str]
    """Name → version."""
    method: str
    workloads: Sequence[Workload]
    rows: Sequence[Row]
    policies: Sequence[Cost]
    """What each policy costs; empty when only some workloads were run."""
    not_measured: Sequence[str]
    """Targets without a workload, and peers that are not installed."""

    def verdicts(self) -> list[Verdict]:
        """Every target of the workloads that were run."""
        return [verdict for workload in self.workloads for verdict in judge(workload, self.rows)]

    def rows_of(self, workload: Workload) -> list[Row]:
        """The rows of one workload."""
        return [row for row in self.rows if row.workload == workload.name]

    def as_json(self) -> dict[str, Any]:
        """Everything, rounds included."""
        return {
            "machine": self.machine,
            "peers": self.peers,
            "method": self.method,
            "workloads": {workload.name: workload.about for workload in self.workloads},
            "rows": [asdict(row) | {"void": row.void} for row in self.rows],
            "policies": [asdict(one) for one in self.policies],
            "targets": [asdict(verdict) for verdict in self.verdicts()],
            "not_measured": list(self.not_measured),
        }

    def as_text(self) -> str:
        """Tables, one for each workload, with its targets; then a summary."""
        lines = [f"{key}: {value}" for key, value in (*self.machine.items(), *self.peers.items())]
        lines += ["", self.method]
        for workload in self.workloads:
            lines += ["", f"{workload.name}: {workload.about}", *_table(self.rows_of(workload))]
            lines += [f"  {_line(verdict)}" for verdict in judge(workload, self.rows)]
        if self.policies:
            lines += ["", "policies: what each costs, in one process and without sockets", *as_lines(self.policies)]
        return "\n".join([*lines, "", *self._summary()])

    def _summary(self) -> list[str]:
        verdicts = self.verdicts()
        counted = {word: sum(verdict.word == word for verdict in verdicts) for word in ("met", "MISSED")}
        lines = [f"Targets: {counted['met']} met, {counted['MISSED']} missed, of {len(verdicts)}."]
        behind = [f"  {verdict.workload}: {_line(verdict)}" for verdict in verdicts if verdict.met is False]
        lines += ["Where we are behind:", *behind] if behind else []
        lines += ["Not measured:", *(f"  {text}" for text in self.not_measured)] if self.not_measured else []
        return lines


def _line(verdict: Verdict) -> str:
    value = "" if verdict.value is None else f" (is {verdict.value:.2f})"
    return f"{verdict.word:12} {verdict.target}{value}"


def _table(rows: Sequence[Row]) -> list[str]:
    columns = [metric for metric in UNITS if any(metric in row.values for row in rows)]
    header = f"  {'':26}" + "".join(f"{UNITS[metric]:>16}" for metric in columns)
    return [header, *(_row(row, columns) for row in rows)]


def _row(row: Row, columns: Sequence[str]) -> str:
    numbers = "".join(f"{number(row.values[metric]) if metric in row.values else '–':>16}" for metric in columns)
    void = f"  VOID: {row.problem or f'{row.failed} failed'}" if row.void else ""
    return f"  {row.name:26}{numbers}{void}"


def number(value: float) -> str:
    """Three digits that count, none that pretend: 0.42, 28.3, 17 204."""
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def machine() -> dict[str, str]:
    """What it was measured on."""
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text() if cpuinfo.exists() else ""
    names = [line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name")]
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    return {
        "cpu": names[0] if names else platform.processor() or "unknown",
        "cores": str(os.cpu_count()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "date": time.strftime("%Y-%m-%d"),
        "load average before the run": load,
    }
