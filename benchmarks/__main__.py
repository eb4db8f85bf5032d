"""`make bench`, or `python -m benchmarks [--rounds N] [--seconds N] [--only gatehouse,envoy]`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.measure import Sample, measure
from benchmarks.peers import Peer, find_peers
from benchmarks.work import Work, prepare, start_upstream

PATHS = {"plain": "/orders/1", "policy": "/orders/1"}
PROXY_CORE, LOAD_CORE = 0, 1
RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--only", default="", help="comma-separated names of proxies")
    parser.add_argument("--workload", choices=[*PATHS, "all"], default="all")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/latest.*")
    options = parser.parse_args()
    if shutil.which("wrk") is None or shutil.which("taskset") is None or (os.cpu_count() or 1) < 2:
        sys.exit("needs wrk, taskset and two cores (Debian: apt-get install wrk util-linux nginx-light haproxy)")
    wanted = [name for name in options.only.split(",") if name]
    peers = [peer for peer in find_peers() if not wanted or peer.name in wanted]
    workloads = [options.workload] if options.workload != "all" else list(PATHS)
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as directory:
        work = prepare(Path(directory))
        upstream = start_upstream(work, LOAD_CORE)
        try:
            rows = [row for name in workloads for row in run(work, name, peers, options.rounds, options.seconds)]
        finally:
            stop(upstream)
    report = {"machine": machine(), "peers": {peer.name: peer.version for peer in peers}, "rows": rows}
    table = render(report)
    print(table)
    if options.save:
        (RESULTS / "latest.json").write_text(json.dumps(report, indent=1) + "\n")
        (RESULTS / "latest.txt").write_text(table + "\n")


def run(work: Work, workload: str, peers: list[Peer], rounds: int, seconds: int) -> list[dict[str, Any]]:
    """All peers at one workload, rounds in alternating order."""
    present = [peer for peer in peers if peer.start is not None and workload in peer.workloads]
    samples: dict[str, list[Sample]] = {peer.name: [] for peer in present}
    for number in range(rounds):
        for peer in present if number % 2 == 0 else reversed(present):
            samples[peer.name].append(one_round(work, workload, peer, seconds))
    return [summary(workload, name, found) for name, found in samples.items()]


def one_round(work: Work, workload: str, peer: Peer, seconds: int) -> Sample:
    """Start, warm up, measure, stop."""
    assert peer.start is not None
    process, port = peer.start(work, workload, PROXY_CORE)
    try:
        measure(process.pid, port, PATHS[workload], work.token, 1, LOAD_CORE)
        return measure(process.pid, port, PATHS[workload], work.token, seconds, LOAD_CORE)
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process that we started."""
    process.terminate()
    process.wait(15)


def summary(workload: str, name: str, samples: list[Sample]) -> dict[str, Any]:
    """Medians over the rounds; a row with failed requests is void."""
    cpu = [one.cpu_us for one in samples]
    return {
        "workload": workload,
        "proxy": name,
        "cpu_us": round(statistics.median(cpu), 1),
        "cpu_us_rounds": [round(one, 1) for one in cpu],
        "requests_per_second": round(statistics.median(one.rate for one in samples)),
        "p50_ms": statistics.median(one.p50_ms for one in samples),
        "p99_ms": statistics.median(one.p99_ms for one in samples),
        "rss_mib": round(statistics.median(one.rss_mib for one in samples), 1),
        "failed": sum(one.failed for one in samples),
    }


def machine() -> dict[str, Any]:
    """What it was measured on."""
    model = "unknown"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
    }


def render(report: dict[str, Any]) -> str:
    """The table, with ratios to Envoy where it was measured."""
    lines = [f"{key}: {value}" for key, value in {**report["machine"], **report["peers"]}.items()]
    columns = ("CPU µs/req", 11), ("× Envoy", 8), ("req/s", 8), ("p50 ms", 7), ("p99 ms", 7), ("RSS MiB", 8)
    header = f"{'workload':9} {'proxy':10} " + " ".join(f"{name:>{width}}" for name, width in columns)
    lines += ["", header]
    base = {row["workload"]: row["cpu_us"] for row in report["rows"] if row["proxy"] == "envoy"}
    for row in report["rows"]:
        ratio = f"{row['cpu_us'] / base[row['workload']]:.2f}" if base.get(row["workload"]) else "–"
        void = f"  VOID: {row['failed']} failed" if row["failed"] else ""
        lines.append(
            f"{row['workload']:9} {row['proxy']:10} {row['cpu_us']:11.1f} {ratio:>8} {row['requests_per_second']:8} "
            f"{row['p50_ms']:7.2f} {row['p99_ms']:7.2f} {row['rss_mib']:8.1f}{void}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
