"""One measurement: a load, and the CPU time that the proxy spent on it."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass

import psutil

CONNECTIONS = 64


@dataclass(frozen=True)
class Sample:
    """What one round gave."""

    requests: int
    seconds: float
    cpu_seconds: float
    p50_ms: float
    p99_ms: float
    rss_mib: float
    failed: int

    @property
    def cpu_us(self) -> float:
        """CPU microseconds per request."""
        return self.cpu_seconds / self.requests * 1e6 if self.requests else 0.0

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


def measure(pid: int, port: int, path: str, token: str, seconds: int, core: int) -> Sample:
    """Load the proxy with wrk for some seconds and read its processes' CPU time before and after."""
    before = cpu_seconds(pid)
    command = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency"]
    command += ["-H", f"Authorization: Bearer {token}", f"http://127.0.0.1:{port}{path}"]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    used = cpu_seconds(pid) - before
    found = re.search(r"(\d+) requests in ([\d.]+)s", told)
    if found is None:
        raise RuntimeError(f"wrk said something else: {told}")
    failed = sum(int(number) for number in re.findall(r"Non-2xx or 3xx responses: (\d+)", told))
    failed += sum(int(number) for number in re.findall(r"(?:connect|read|write|timeout) (\d+)", told))
    return Sample(
        int(found[1]), float(found[2]), used, _latency(told, "50%"), _latency(told, "99%"), rss_mib(pid), failed
    )


def _latency(told: str, percentile: str) -> float:
    found = re.search(rf"{percentile}\s+([\d.]+)(us|ms|s)", told)
    if found is None:
        return 0.0
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]


def _family(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its children."""
    times = [process.cpu_times() for process in _family(pid)]
    return float(sum(one.user + one.system for one in times))


def rss_mib(pid: int) -> float:
    """Resident memory of a process and its children."""
    return float(sum(process.memory_info().rss for process in _family(pid)) / 2**20)
