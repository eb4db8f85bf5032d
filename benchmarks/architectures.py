"""The same shop in four architectures, at the same user journeys: what each costs, and what still works of it.

    python -m benchmarks.architectures [--blocks 6] [--rounds 8] [--starts 3] [--save]

The problem: "microservices are slower" and "a monolith is one failure away" are both said without numbers, or with
numbers of different programs. The rule: the same code, data, clients and machine. All architectures run at
once and are taken through the same journeys in turns, forwards and backwards, so that whatever else the machine does
meets all of them alike. Limits are widened, so that none is measured. Journeys follow each other: what is measured is
the time of one visitor, not a throughput. The load before the run is printed with the numbers.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.request import urlopen

import psutil
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.report import machine
from gateway.cli.instance import Instance, find
from gateway.cli.journeys import settings, travel
from gateway.control.supervisor import launch
from gateway.control.supervisor.architecture import ARCHITECTURES
from gateway.control.supervisor.options import Options, default_manifest, default_mesh, ready_config

T = TypeVar("T")
RESULTS = Path(__file__).parent / "results"
MODULES = ("orders", "profiles", "storefront", "reports", "recommendations")
QUICK = ("browse", "order", "cancel", "own_orders", "profile_by_rest", "profile_by_soap", "graphql_page", "partner")
"""Those that wait for nothing but answers; a login is mostly a password hash, which is the same everywhere."""
SLOW = ("log_in", "password_reset", "suspicious_order")
SLOW_ROUNDS = 5
ON_THE_WAY = frozenset({"worker", "service", "sidecar", "redis"})
"""Kinds of processes that requests pass through; control and supervisor only watch."""
STOP_SECONDS = 4.0
"""For a process to end, while the visitor waits."""
SETTLE_SECONDS = 3.0
"""For how long idle costs are measured."""
TOLD_SECONDS = 2.0
"""Spans are sent and counters are told in the background."""
ONE = re.compile(r"requests: (\d+), per: (\w+), burst: (\d+)")


@dataclass
class Result:
    """What was measured of one architecture."""

    architecture: str
    starts: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    """MiB (proportional) when it was ready, of all its processes."""
    memory_after: float = 0.0
    processes: int = 0
    journeys: dict[str, list[float]] = field(default_factory=dict)
    """Seconds of each."""
    cpu_ms: float = 0.0
    """Per quick journey, of the processes that requests pass through: services, gateway, sidecars, Redis."""
    idle_cpu: float = 0.0
    """CPU seconds per second of the idle shop."""
    between: float = 0.0
    """Requests from one process of the shop to another, per quick journey."""
    within: float = 0.0
    """Requests from one module to another in one process, per quick journey."""
    restart: float = 0.0
    """Seconds until orders answers again after a restart of the process that it is in."""
    restarted_of: str = ""
    survivors: dict[str, float] = field(default_factory=dict)
    """Share of all journeys that work while a process is stopped."""


class Shop:
    """One running instance."""

    def __init__(self, folder: Path, architecture: str) -> None:
        self.architecture = architecture
        served = ARCHITECTURES[architecture]
        config = str(widened(folder, served.config)) if served.gateway else None
        options = Options(
            state_dir=str(folder / "state"),
            config=config,
            manifest=str(default_manifest()),
            port_base=0,
            architecture=architecture,
            mesh=str(default_mesh()) if architecture == "mesh" else None,
            started=time.time(),
        )
        self._launched = launch.start(options, detach=False)
        self._launched.until_up(lambda event: None)
        self.instance: Instance = find(folder / "state")

    def __enter__(self) -> Shop:
        return self

    def __exit__(self, *_: object) -> None:
        self.instance.supervisor({"do": "down"})
        self._launched.close()
        self._launched.process.wait(30)

    def processes(self) -> list[dict[str, Any]]:
        """Those that run."""
        return [row for row in self.instance.supervisor({"do": "ps"})["processes"] if row["pid"]]

    def cpu(self, kinds: frozenset[str] | None = None) -> float:
        """Seconds that all of them have used, or those of some kinds."""
        rows = [row for row in self.processes() if kinds is None or row["kind"] in kinds]
        times = [psutil.Process(row["pid"]).cpu_times() for row in rows]
        return sum(one.user + one.system for one in times)

    def journeys(self, names: tuple[str, ...], rounds: int) -> list[dict[str, Any]]:
        """Their outcomes."""
        told = settings(self.instance) | {"only": names, "rounds": rounds}
        return [line for line in travel(told) if "journey" in line]

    def share_without(self, part: str) -> float:
        """The share of all journeys that work while a process is stopped, for people who had logged in before."""
        told = settings(self.instance) | {"rounds": 2, "pause": STOP_SECONDS}
        rounds = []
        for line in travel(told):
            if "of" in line:
                rounds.append(line)
                if len(rounds) == 1:
                    self.instance.supervisor({"do": "stop", "name": part})
        self.instance.supervisor({"do": "start", "name": part})
        if rounds[0]["passed"] != rounds[0]["of"]:
            raise RuntimeError(f"journeys failed before {part} was stopped: {rounds[0]}")
        return float(rounds[1]["passed"] / rounds[1]["of"])

    def requests(self) -> tuple[float, float]:
        """How many requests have gone between processes, and between modules of one."""
        between = _sent(f"{self.instance.admin_url}/metrics")
        within = 0.0
        for row in self.processes():
            if row["kind"] == "service":
                sent = _sent(f"http://127.0.0.1:{row['port']}/metrics")
                inside = _sent(f"http://127.0.0.1:{row['port']}/metrics", MODULES) if row["name"] == "monolith" else 0
                between, within = between + sent - inside, within + inside
        return between, within

    def part(self, service: str) -> str:
        """The process that a service is in."""
        return "monolith" if self.architecture == "monolith" and service in MODULES else service


def _sent(url: str, peers: tuple[str, ...] = ()) -> float:
    with urlopen(url, timeout=10) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == "http_client_request_duration_seconds_count"
        and (not peers or sample.labels.get("peer") in peers)
    )


def widened(folder: Path, name: str) -> Path:
    """A copy of a ready configuration whose limits nobody reaches."""
    shutil.copytree(ready_config(name).parent, folder / "config")
    file = folder / "config" / name
    wide = ONE.sub(lambda one: f"requests: {int(one[1]) * 1000}, per: {one[2]}, burst: 100000", file.read_text())
    file.write_text(wide)
    return file


def measure(names: list[str], blocks: int, rounds: int, starts: int) -> list[Result]:
    """Everything about these architectures."""
    results = [Result(name) for name in names]
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as folder:
        for number in range(starts - 1):
            for result in _turn(results, number):
                with _start(Path(folder) / f"{result.architecture}-{number}", result):
                    pass
        with ExitStack() as stack:
            pairs = [(stack.enter_context(_start(Path(folder) / one.architecture, one)), one) for one in results]
            for shop, _ in pairs:
                _passed(shop.journeys((), 1))  # warm: keys fetched, connections made
            time.sleep(SETTLE_SECONDS)
            for shop, result in pairs:
                result.idle_cpu = _idle(shop)
            for number in range(blocks):
                for shop, result in _turn(pairs, number):
                    _block(shop, result, rounds)
            for shop, result in pairs:
                _rest(shop, result, blocks * rounds * len(QUICK))
                _faults(shop, result)
    return results


def _turn(things: list[T], number: int) -> list[T]:
    return things if number % 2 == 0 else things[::-1]


def _start(folder: Path, result: Result) -> Shop:
    folder.mkdir()
    shop = Shop(folder, result.architecture)
    result.starts.append(shop.instance.ready_seconds or 0.0)
    result.memory.append(shop.instance.pss_mib or 0.0)
    return shop


def _idle(shop: Shop) -> float:
    before = shop.cpu()
    time.sleep(SETTLE_SECONDS)
    return (shop.cpu() - before) / SETTLE_SECONDS


def _block(shop: Shop, result: Result, rounds: int) -> None:
    """Some rounds of the quick journeys; the one before them, in which people log in, does not count."""
    told = settings(shop.instance) | {"only": QUICK, "rounds": rounds + 1}
    before = sent = None
    for line in travel(told):
        if before is not None and "journey" in line:
            _passed([line])
            result.journeys.setdefault(line["journey"], []).append(line["seconds"])
        elif before is None and "of" in line:
            before, sent = shop.cpu(ON_THE_WAY), shop.requests()
    assert before is not None
    assert sent is not None
    time.sleep(TOLD_SECONDS)
    result.cpu_ms += (shop.cpu(ON_THE_WAY) - before) * 1000
    between, within = shop.requests()
    result.between, result.within = result.between + between - sent[0], result.within + within - sent[1]


def _rest(shop: Shop, result: Result, journeys: int) -> None:
    """What was added up becomes a share of each journey; the slow journeys; memory."""
    result.cpu_ms, result.between, result.within = (
        total / journeys for total in (result.cpu_ms, result.between, result.within)
    )
    for outcome in _passed(shop.journeys(SLOW, SLOW_ROUNDS)):
        result.journeys.setdefault(outcome["journey"], []).append(outcome["seconds"])
    rows = shop.processes()
    result.processes = len(rows)
    result.memory_after = sum(row["pss_bytes"] or 0 for row in rows) / 1_048_576


def _faults(shop: Shop, result: Result) -> None:
    """What a restart of the process with `orders` in it takes, and what works while a process is away."""
    part, started = shop.part("orders"), time.monotonic()
    shop.instance.supervisor({"do": "restart", "name": part})
    result.restart, result.restarted_of = time.monotonic() - started, part
    for service in ("orders", "profiles", "storefront", "identity", "alerts"):
        part = shop.part(service)
        if part not in result.survivors:
            result.survivors[part] = shop.share_without(part)


def _passed(outcomes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    failed = [one for one in outcomes if not one["passed"]]
    if failed:
        raise RuntimeError(f"a journey failed, so nothing was measured: {failed[0]}")
    return outcomes


def quantile(values: list[float], share: float) -> float:
    """The smallest of the values that so large a share does not exceed, in milliseconds."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000


def report(results: list[Result], facts: list[str]) -> str:
    """The tables."""
    names = [one.architecture for one in results]
    lines = [*facts, "", _row("", names)]
    rows = {
        "start s (median)": [f"{statistics.median(one.starts):.1f}" for one in results],
        "processes": [str(one.processes) for one in results],
        "memory MiB, ready": [f"{statistics.median(one.memory):.0f}" for one in results],
        "memory MiB, after the run": [f"{one.memory_after:.0f}" for one in results],
        "CPU ms per journey": [f"{one.cpu_ms:.1f}" for one in results],
        "CPU % of a core, all, idle": [f"{one.idle_cpu * 100:.1f}" for one in results],
        "requests between processes": [f"{one.between:.1f}" for one in results],
        "requests within a process": [f"{one.within:.1f}" for one in results],
        "restart s, process with orders": [f"{one.restart:.1f}" for one in results],
    }
    lines += [_row(title, cells) for title, cells in rows.items()]
    lines += ["", _row("journey: p50 (p95) ms", names)]
    lines += [_row(name, [_times(one.journeys[name]) for one in results]) for name in (*QUICK, *SLOW)]
    quick = [[seconds for name in QUICK for seconds in one.journeys[name]] for one in results]
    lines.append(_row("all that wait for answers only", [_times(one) for one in quick]))
    lines += ["", _row("journeys that work without", names)]
    for part in ("orders", "profiles", "storefront", "monolith", "identity", "alerts"):
        lines.append(_row(part, [f"{one.survivors[part]:.0%}" if part in one.survivors else "–" for one in results]))
    return "\n".join(lines)


def _times(seconds: list[float]) -> str:
    return f"{quantile(seconds, 0.5):.0f} ({quantile(seconds, 0.95):.0f})"


def _row(title: str, cells: list[str]) -> str:
    return f"{title:<32}" + "".join(f"{cell:>14}" for cell in cells)


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.architectures", description=__doc__)
    parser.add_argument("--blocks", type=int, default=6, help="how often each architecture has its turn")
    parser.add_argument("--rounds", type=int, default=8, help="rounds of the quick journeys in each turn")
    parser.add_argument("--starts", type=int, default=3, help="starts of each architecture")
    parser.add_argument("--only", default="", metavar="NAMES", help=f"of {', '.join(ARCHITECTURES)}")
    parser.add_argument("--save", action="store_true", help="write architectures.txt and .json to benchmarks/results/")
    options = parser.parse_args()
    facts = [f"{name}: {value}" for name, value in machine().items()]
    facts.append(
        f"{options.blocks} turns of {options.rounds} rounds of {len(QUICK)} journeys, {options.starts} starts of each"
    )
    wanted = options.only.split(",") if options.only else list(ARCHITECTURES)
    results = measure(wanted, options.blocks, options.rounds, options.starts)
    text = report(results, facts)
    print(text)
    if options.save:
        (RESULTS / "architectures.txt").write_text(text + "\n")
        (RESULTS / "architectures.json").write_text(json.dumps([asdict(one) for one in results], indent=1) + "\n")


if __name__ == "__main__":
    main()
