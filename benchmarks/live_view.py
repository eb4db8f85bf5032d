"""What watching costs: `python -m benchmarks.live_view [--rate 1000] [--path PATH]`.

The problem: a dashboard that slows down what it shows tells of itself. The rule: the whole shop with wide limits, a
fixed rate of requests, in turns with nobody looking and with a console that listens to `/live`; told is what the
control process and the workers used of a core, and how long requests took. What is asked for is
answered by the gateway itself, since the services, in Python, have some hundred answers a second.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from benchmarks.architectures import Shop
from benchmarks.loads.fixed_rate import Generator, arrivals, percentile

KINDS = ("control", "worker")
PATH = "/.well-known/gateway-jwks.json"
"""Answered with 200 to anybody inside."""


@dataclass
class Turn:
    """One turn of load."""

    cpu: dict[str, float]
    """Percent of a core, by kind of process."""
    p50_ms: float
    p99_ms: float
    failed: int
    seen: int
    """Bytes that the live view got."""


@contextmanager
def looking(shop: Shop, looks: bool) -> Iterator[list[int]]:
    """A console that listens, or none; how many bytes came."""
    seen: list[int] = []
    if not looks:
        yield seen
        return
    stop = threading.Event()

    def read() -> None:
        with urlopen(f"{shop.instance.admin_url}/live", timeout=10) as stream:
            while not stop.is_set():  # there is a message a second
                seen.append(len(stream.readline()))

    reader = threading.Thread(target=read)
    reader.start()
    yield seen
    stop.set()
    reader.join()


def turn(shop: Shop, generator: Generator, due: list[float], looks: bool) -> Turn:
    """Load for as long as requests are due."""
    generator.latencies.clear()
    before_failed = generator.failed
    with looking(shop, looks) as seen:
        before = {kind: shop.cpu(frozenset({kind})) for kind in KINDS}
        generator.run(due)
        used = {kind: (shop.cpu(frozenset({kind})) - before[kind]) / due[-1] * 100 for kind in KINDS}
        ordered = sorted(generator.latencies)
        p50, p99 = (percentile(ordered, share) * 1000 for share in (0.5, 0.99))
        return Turn(used, p50, p99, generator.failed - before_failed, sum(seen))


def report(turns: dict[bool, list[Turn]], path: str, rate: float, seconds: float) -> str:
    """A line for each way."""
    lines = [f"{rate:g} requests/s for {path}, {seconds:g} s each, medians of {len(turns[False])}"]
    for looks, title in ((False, "nobody looks"), (True, "one live view")):
        found = turns[looks]
        control, workers = (statistics.median(one.cpu[kind] for one in found) for kind in KINDS)
        p50, p99 = (statistics.median(getattr(one, name) for one in found) for name in ("p50_ms", "p99_ms"))
        seen = statistics.median(one.seen for one in found) / seconds / 1000
        failed = sum(one.failed for one in found)
        lines.append(
            f"{title:<14} control {control:5.1f} % of a core   workers {workers:5.1f} %   "
            f"p50 {p50:.2f} ms   p99 {p99:.2f} ms   {failed} failed   {seen:.0f} kB/s"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live_view", description=__doc__)
    parser.add_argument("--rate", type=float, default=1000.0)
    parser.add_argument("--path", default=PATH, help="answered with 200 to anybody inside")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    due = arrivals(asked.rate, asked.seconds)
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as folder, Shop(Path(folder), "gateway") as shop:
        port = shop.instance.ports["internal"]
        request = f"GET {asked.path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
        turns: dict[bool, list[Turn]] = {False: [], True: []}
        with Generator(port, request) as generator:
            generator.run(arrivals(asked.rate, 2.0))  # warm
            for number in range(asked.rounds):
                for looks in (False, True) if number % 2 == 0 else (True, False):
                    turns[looks].append(turn(shop, generator, due, looks))
    print(report(turns, asked.path, asked.rate, asked.seconds))


if __name__ == "__main__":
    main()
