"""Rounds: every entry is started, warmed up, measured and stopped, in alternating order.

The problem: a machine gets warmer, its neighbours louder, and whoever is measured last pays. The rule: rounds go
forwards and backwards in turn, each with fresh processes, and only ratios within one run count. A proxy that does not
start, or that breaks under the load, gives a row that says so; the run goes on.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import psutil

from benchmarks.hops import HEADERS
from benchmarks.loads.wrk import Unreadable, Wrk
from benchmarks.model import Entry, Row, Sample, Site, Workload, median_row
from benchmarks.peers import Peer
from benchmarks.processes import NotServing, last_line, stop, wait_until_serving
from benchmarks.work import Work

PROXY_CORE, LOAD_CORE = 0, 1
WARM_UP_SECONDS = 1


@dataclass
class Runner:
    """One run: what it works with, and the rows so far."""

    work: Work
    peers: dict[str, Peer]
    rounds: int
    seconds: int
    stream_megabytes: int
    tell: Callable[[str], None] = lambda text: print(text, file=sys.stderr, flush=True)
    rows: list[Row] = field(default_factory=list)

    def run(self, workload: Workload) -> None:
        """All entries of one workload; their rows are added."""
        entries = [entry for entry in workload.entries if self._present(entry)]
        rate = self._rate(workload)
        samples: dict[str, list[Sample]] = {entry.name: [] for entry in entries}
        problems: dict[str, str] = {}
        for number in range(1 if workload.once else self.rounds):
            for entry in entries if number % 2 == 0 else reversed(entries):
                self.tell(f"{workload.name:14} round {number + 1}  {entry.name}")
                try:
                    samples[entry.name].append(self._one_round(workload, entry, rate))
                except (NotServing, Unreadable, subprocess.CalledProcessError, OSError, psutil.Error) as error:
                    problems[entry.name] = f"{type(error).__name__}: {_first_line(error)}"
        for entry in entries:
            self.rows.append(self._row(workload, entry, samples[entry.name], problems.get(entry.name, "")))

    def _present(self, entry: Entry) -> bool:
        return entry.proxy in self.peers and bool(self.peers[entry.proxy].version)

    def _rate(self, workload: Workload) -> float:
        """Half of the slower one's maximum: of Gatehouse and Envoy, as measured before."""
        found = [row for row in self.rows if row.workload == workload.rate_of and row.name in ("gatehouse", "envoy")]
        return min((row.values["rate"] for row in found if row.values), default=0.0) / 2

    def _one_round(self, workload: Workload, entry: Entry, rate: float) -> Sample:
        process, port = self.peers[entry.proxy].start(self.work, entry.setup, PROXY_CORE)
        work = self.work
        site = Site(
            process.pid, port, entry.setup.tls, work.directory, work.token, self.seconds, LOAD_CORE, work.backend_port
        )
        headers = HEADERS if entry.setup.hops == "mesh" else ()
        site = replace(site, rate=rate, megabytes=self.stream_megabytes, headers=headers)
        try:
            wait_until_serving(process, port, "/orders/1", work.token, entry.setup.tls, headers=headers)
            warm_up = workload.warm_up or (workload.load if isinstance(workload.load, Wrk) else Wrk())
            warm_up(replace(site, seconds=WARM_UP_SECONDS))
            return workload.load(site)
        except NotServing as error:
            log = work.directory / f"{'gatehouse' if entry.proxy == 'native' else entry.proxy}.log"
            raise NotServing(f"{error}; {last_line(log)}") from error
        finally:
            stop(process)

    def _row(self, workload: Workload, entry: Entry, samples: list[Sample], problem: str) -> Row:
        if not samples:
            return Row(workload.name, entry.name, problem=problem)
        return replace(median_row(workload.name, entry.name, samples), problem=problem)


def _first_line(error: Exception) -> str:
    told = error.stderr if isinstance(error, subprocess.CalledProcessError) else str(error)
    lines = [line for line in str(told).splitlines() if line.strip()]
    return (lines[-1] if lines else "no explanation")[:300]
