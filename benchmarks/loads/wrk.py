"""Closed loop: as many requests as 64 connections can get answered (wrk), and the CPU time that the proxy spent.

The problem: throughput of a machine whose cores are shared says little. The rule: the proxy's own CPU time, from
the operating system, divided by the answers that wrk counted; an answer with another status than expected voids it.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.model import Sample, Site
from benchmarks.processes import cpu_seconds, rss_mib

SCRIPTS = Path(__file__).parent
_UNITS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True)
class Told:
    """What wrk said."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    errors: int
    """Connections that broke, and time-outs."""
    refused: int
    """Answers that were neither 2xx nor 3xx."""


class Unreadable(Exception):
    """wrk said something that is not its report."""


def parse(text: str) -> Told:
    """Read wrk's report, printed with --latency.

    Raises:
        Unreadable: it is no such report.
    """
    found = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s|m)\b", text)
    if found is None:
        raise Unreadable(text.strip()[:300] or "wrk said nothing")
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    return Told(
        requests=int(found[1]),
        seconds=float(found[2]) * _UNITS[found[3]] / 1000,
        p50_ms=_percentile(text, "50%"),
        p99_ms=_percentile(text, "99%"),
        errors=sum(map(int, errors.groups())) if errors else 0,
        refused=int(refused[1]) if refused else 0,
    )


def _percentile(text: str, percent: str) -> float:
    found = re.search(rf"{percent}\s+([\d.]+)(us|ms|s|m)\b", text)
    return float(found[1]) * _UNITS[found[2]] if found else 0.0


@dataclass(frozen=True)
class Wrk:
    """A load of one kind; call it with a Site."""

    path: str = "/orders/1"
    script: str = ""
    """A Lua script beside this file, given `tokens`."""
    tokens: str = ""
    """A file of the run's directory with one token per line."""
    denied: bool = False
    """Whether the right answer is a refusal: then each 2xx is what voids the row."""
    bytes_each: int = 0
    connections: int = 64
    settle: Callable[[Site], None] | None = None
    """Waits after the load for work that was put off, whose CPU time still belongs to it."""

    def __call__(self, site: Site) -> Sample:
        """Load the proxy for some seconds, and read its CPU time before and after."""
        idle, before = rss_mib(site.pid), cpu_seconds(site.pid)
        with subprocess.Popen(
            self._command(site), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            time.sleep(site.seconds * 0.8)
            loaded = rss_mib(site.pid)
            report, complaint = process.communicate()
        if self.settle is not None:
            self.settle(site)
        used = cpu_seconds(site.pid) - before
        told = parse(report if process.returncode == 0 else complaint)
        wrong = told.requests - told.refused if self.denied else told.refused
        return Sample(self._values(told, used, idle, loaded), told.errors + wrong)

    def _command(self, site: Site) -> list[str]:
        command = ["taskset", "-c", str(site.core), "wrk", "-t1", f"-c{self.connections}", f"-d{site.seconds}s"]
        command += ["--latency", "--timeout", "10s", "-H", f"Authorization: Bearer {site.token}"]
        for name, value in site.headers:
            command += ["-H", f"{name}: {value}"]
        if self.script:
            command += ["-s", str(SCRIPTS / self.script)]
        command.append(f"{'https' if site.tls else 'http'}://127.0.0.1:{site.port}{self.path}")
        return [*command, "--", str(site.directory / self.tokens)] if self.tokens else command

    def _values(self, told: Told, used: float, idle: float, loaded: float) -> dict[str, float]:
        values = {
            "cpu_us": used / told.requests * 1e6 if told.requests else 0.0,
            "rate": told.requests / told.seconds,
            "p50_ms": told.p50_ms,
            "p99_ms": told.p99_ms,
            "rss_idle_mib": idle,
            "rss_mib": loaded,
        }
        if self.bytes_each and used:
            values["mib_per_cpu_second"] = told.requests * self.bytes_each / 2**20 / used
        return values
