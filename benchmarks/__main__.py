"""`make bench`, or `python -m benchmarks --help`."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from benchmarks.chart import chart
from benchmarks.model import Workload
from benchmarks.peers import Peer, cores, find_peers, raise_file_limit
from benchmarks.policy_costs import policy_costs
from benchmarks.processes import NotServing
from benchmarks.report import Report, machine
from benchmarks.run import LOAD_CORE, Runner
from benchmarks.timing import compare
from benchmarks.work import UNSEEN_TOKENS, prepare, program, upstreams
from benchmarks.workloads import NOT_MEASURED, WORKLOADS

RESULTS = Path(__file__).parent / "results"
NEEDED = {"wrk": "wrk", "taskset": "util-linux", "nginx": "nginx-light"}
ABOUT = """Gatehouse beside every proxy found on this machine, at the same work, in one run. Needs Linux, two free
cores, wrk and nginx. Numbers mean something only while nothing else runs; only ratios of one run can be compared."""


def main() -> None:
    """Measure and report."""
    options = arguments().parse_args()
    missing = [package for name, package in NEEDED.items() if program(name) is None and shutil.which(name) is None]
    if missing:
        sys.exit(f"make bench needs {', '.join(missing)} (Debian: apt-get install {' '.join(missing)})")
    if cores() < 2:
        sys.exit("make bench needs two cores: one for the proxy, one for the load")
    raise_file_limit()
    peers = find_peers()
    report = measure(options, chosen(options.workload), select(peers, options.only))
    print(report.as_text())
    if options.save:
        save(report)


def arguments() -> argparse.ArgumentParser:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=ABOUT)
    names = ", ".join(workload.name for workload in WORKLOADS)
    parser.add_argument("--workload", default="", metavar="NAMES", help=f"only these, comma-separated: {names}")
    parser.add_argument("--only", default="", metavar="PROXIES", help="only these proxies, comma-separated")
    parser.add_argument("--rounds", type=_positive, default=0, help="rounds of each (default 3; the median counts)")
    parser.add_argument("--seconds", type=_positive, default=0, help="seconds of each round (default 3)")
    parser.add_argument("--quick", action="store_true", help="one round of a second: does it work, not how fast")
    parser.add_argument("--save", action="store_true", help="write latest.txt, .json and .svg to benchmarks/results/")
    return parser


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError("a whole number, at least 1")
    return int(text)


def chosen(names: str) -> list[Workload]:
    """The workloads by name, and those that they build on; all when no name is given."""
    by_name = {workload.name: workload for workload in WORKLOADS}
    wanted = _names(names, by_name, "workload") or set(by_name)
    wanted |= {by_name[name].rate_of for name in wanted}
    return [workload for workload in WORKLOADS if workload.name in wanted]


def select(peers: dict[str, Peer], names: str) -> dict[str, Peer]:
    """The proxies by name; all when no name is given."""
    wanted = _names(names, peers, "proxy")
    return {name: peer for name, peer in peers.items() if not wanted or name in wanted}


def _names(text: str, known: dict[str, Workload] | dict[str, Peer], what: str) -> set[str]:
    names = {name.strip() for name in text.split(",") if name.strip()}
    if unknown := names - set(known):
        sys.exit(f"unknown {what} {', '.join(sorted(unknown))}; known are {', '.join(known)}")
    return names


def measure(options: argparse.Namespace, workloads: list[Workload], peers: dict[str, Peer]) -> Report:
    """Run the workloads."""
    rounds = options.rounds or (1 if options.quick else 3)
    seconds = options.seconds or (1 if options.quick else 3)
    described, started = machine(), time.monotonic()
    tokens = any(workload.name.endswith("-tokens") for workload in workloads)
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as directory:
        work = prepare(Path(directory), UNSEEN_TOKENS if tokens else 0)
        runner = Runner(work, peers, rounds, seconds, 64 if options.quick else 1024)
        try:
            with upstreams(work, LOAD_CORE):
                for workload in workloads:
                    runner.run(workload)
            every = len(workloads) == len(WORKLOADS)
            costs = uvloop.run(policy_costs(work, compare, 200 if options.quick else 5_000)) if every else []
        except NotServing as error:
            sys.exit(str(error))
    absent = [f"{peer.name}: not installed ({peer.hint})" for peer in peers.values() if not peer.version]
    minutes = (time.monotonic() - started) / 60
    method = f"Medians of {rounds} rounds of {seconds} s in alternating order, {minutes:.1f} minutes in all."
    found = {name: peer.version for name, peer in peers.items() if peer.version}
    return Report(described, found, method, workloads, runner.rows, costs, [*NOT_MEASURED, *absent])


def save(report: Report) -> None:
    """The latest run, as text, JSON and picture."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "latest.txt").write_text(report.as_text() + "\n")
    (RESULTS / "latest.json").write_text(json.dumps(report.as_json(), indent=1, ensure_ascii=False) + "\n")
    (RESULTS / "latest.svg").write_text(chart(report))


if __name__ == "__main__":
    main()
