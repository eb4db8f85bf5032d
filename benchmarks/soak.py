"""What watching costs after hours: `python -m benchmarks.soak [--minutes 60] [--rate 1000]`.

The problem: what collects requests, spans and series for people to look at grows with each of them, unless it is
bounded, and that shows only after hours. The rule: the whole shop under load for long, with a console open in a
browser; memory of the control process and of a worker, and the page's heap (after collecting garbage) and nodes, are
told as they go along. What is bounded fills up and stays: at the end stands the growth of the second and of the last
quarter. Beside the load people shop (`gatehouse traffic`), so that services, databases and events have their part.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path

import psutil
from playwright.sync_api import CDPSession, sync_playwright

from benchmarks.architectures import Shop
from benchmarks.live_view import PATH
from benchmarks.loads.fixed_rate import Generator, arrivals
from gateway.cli.traffic import PROCESS

SECONDS = 15.0
"""Between two looks."""
ENOUGH = 8
"""Looks, for something to be said of quarters."""
MIB = 1024 * 1024
ARGUMENTS = ("--no-sandbox", "--headless", "--disable-gpu", "--disable-background-networking")
COLUMNS = ("control MiB", "worker MiB", "page MiB", "page nodes")


@dataclass(frozen=True)
class Look:
    """What one look saw."""

    control: float
    """Resident MiB."""
    worker: float
    """Resident MiB of the largest."""
    heap: float
    """MiB that the page's objects take."""
    nodes: float
    """Of the page's document, and of those that its code still holds."""


@contextmanager
def page_of(shop: Shop) -> Iterator[CDPSession]:
    """The console's first page, open in a browser.

    Raises:
        SystemExit: there is no Chromium.
    """
    binary = shutil.which("chromium") or shutil.which("chromium-browser")
    if binary is None:
        raise SystemExit("It needs Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary, args=list(ARGUMENTS))
        page = browser.new_page()
        page.goto(f"{shop.instance.admin_url}/#/overview")
        page.locator("#link[data-state=live]").wait_for()
        devtools = page.context.new_cdp_session(page)
        devtools.send("Performance.enable")
        yield devtools
        browser.close()


def look(shop: Shop, page: CDPSession) -> Look:
    """At processes and page."""
    sizes: dict[str, float] = {}
    for row in shop.processes():
        sizes[row["kind"]] = max(sizes.get(row["kind"], 0.0), psutil.Process(row["pid"]).memory_info().rss / MIB)
    page.send("HeapProfiler.collectGarbage")
    told = {one["name"]: one["value"] for one in page.send("Performance.getMetrics")["metrics"]}
    return Look(sizes["control"], sizes["worker"], told["JSHeapUsedSize"] / MIB, told["Nodes"])


def grown(looks: Sequence[Look], quarter: int) -> list[float]:
    """How much each number grew within a quarter, 1 to 4: between the medians of its two halves."""
    size = len(looks) / 4
    begin, middle, end = (round(size * (quarter - 1 + part)) for part in (0, 0.5, 1))
    halves = [list(zip(*map(astuple, part), strict=True)) for part in (looks[begin:middle], looks[middle:end])]
    return [statistics.median(after) - statistics.median(before) for before, after in zip(*halves, strict=True)]


def line(title: str, numbers: Sequence[float], form: str = "{:>14.1f}") -> str:
    """A row of the table."""
    return f"{title:<12}" + "".join(form.format(number) for number in numbers)


def main() -> None:
    """Load, look, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=1000.0, help="requests per second (default 1000)")
    asked = parser.parse_args()
    due = arrivals(asked.rate, SECONDS)
    looks: list[Look] = []
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as folder, Shop(Path(folder), "gateway") as shop:
        port = shop.instance.ports["internal"]
        request = f"GET {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
        print(f"{'minute':<12}" + "".join(f"{name:>14}" for name in COLUMNS), flush=True)
        shop.instance.supervisor({"do": "start", "name": PROCESS})
        with page_of(shop) as page, Generator(port, request) as generator:
            began = time.monotonic()
            while time.monotonic() - began < asked.minutes * 60:
                generator.latencies.clear()
                generator.run(due)
                looks.append(look(shop, page))
                print(line(f"{(time.monotonic() - began) / 60:.1f}", astuple(looks[-1])), flush=True)
            answered = len(due) * len(looks) - generator.failed
    for title, quarter in (("2nd quarter", 2), ("4th quarter", 4)) if len(looks) >= ENOUGH else ():
        print(line(title, grown(looks, quarter), "{:>+14.1f}"))
    print(f"{answered} requests were answered, {generator.failed} failed.")


if __name__ == "__main__":
    main()
