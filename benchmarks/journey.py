"""What the mesh costs a customer: `python -m benchmarks.journey`.

The same shop is started as `gateway` and as `mesh`, one after the other; the same requests go to each, one at a time,
and of each kind the median time counts. CPU time is that of all processes of the shop, in steps of a clock tick. Only
the two columns of one run can be compared, and only while nothing else runs.
"""

from __future__ import annotations

import argparse
import http.client
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import psutil

from gateway.cli.instance import find

QUERY: Final = {"query": "{ me { username profile { fullName email } orders { id status } } }"}
WARM_UP: Final = 20
PAUSE: Final = 0.21
"""Seconds between two requests of one user: the shop limits them."""


@dataclass(frozen=True)
class Step:
    """One kind of request."""

    name: str
    hops: str
    method: str
    path: str
    body: Any = None


STEPS: Final = (
    Step("a product", "gateway → orders", "GET", "/products/1"),
    Step("one's own order", "gateway → orders", "GET", "/orders/1001"),
    Step("the page", "gateway → storefront → orders, profiles", "POST", "/graphql", QUERY),
)


@dataclass
class Shop:
    """A running shop."""

    connection: http.client.HTTPConnection
    state: Path
    token: str = ""
    took: dict[str, list[float]] = field(default_factory=dict)

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """One request; the parsed answer.

        Raises:
            RuntimeError: any other answer than 200.
        """
        fields = {"Content-Type": "application/json"}
        fields |= {"Authorization": f"Bearer {self.token}"} if self.token else {}
        self.connection.request(method, path, None if body is None else json.dumps(body).encode(), fields)
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{method} {path}: {answer.status} {content[:300]!r}")
        return json.loads(content)

    def processes(self) -> list[psutil.Process]:
        """All of the shop."""
        supervisor = psutil.Process(find(self.state).supervisor_pid)
        return [supervisor, *supervisor.children(recursive=True)]

    def cpu(self) -> float:
        """Seconds that all of them have used."""
        return sum(one.cpu_times().user + one.cpu_times().system for one in self.processes())


@contextmanager
def running(*words: str) -> Iterator[Shop]:
    """The shop, on free ports, in a directory of its own."""
    state = Path(tempfile.mkdtemp(prefix="gatehouse-journey-"))
    command = str(Path(sys.executable).with_name("gatehouse"))
    subprocess.run(
        [command, "up", "--detach", "--port-base", "0", "--state-dir", str(state), *words],
        check=True,
        capture_output=True,
    )
    try:
        public = urlsplit(find(state).public_url)
        with closing(http.client.HTTPConnection(str(public.hostname), public.port, timeout=20)) as connection:
            yield Shop(connection, state)
    finally:
        subprocess.run([command, "down", "--state-dir", str(state)], check=True, capture_output=True)
        shutil.rmtree(state, ignore_errors=True)


def measure(shop: Shop, times: int) -> dict[str, tuple[float, float]]:
    """Milliseconds and CPU milliseconds of each step."""
    users = json.loads((shop.state / "installation.json").read_text())["users"]
    login = {"username": "alice", "password": users["alice"]}
    shop.token = shop.send("POST", "/auth/login", login)["access_token"]
    found = {}
    for step in STEPS:
        for _ in range(WARM_UP):
            shop.send(step.method, step.path, step.body)
            time.sleep(PAUSE)
        idle_began, idle_before = time.monotonic(), shop.cpu()
        time.sleep(times * PAUSE / 2)
        idle = (shop.cpu() - idle_before) / (time.monotonic() - idle_began)
        began, before, took = time.monotonic(), shop.cpu(), []
        for _ in range(times):
            started = time.perf_counter()
            shop.send(step.method, step.path, step.body)
            took.append(time.perf_counter() - started)
            time.sleep(PAUSE)
        used = shop.cpu() - before - idle * (time.monotonic() - began)
        found[step.name] = statistics.median(took) * 1_000, max(0.0, used) / times * 1_000
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="benchmarks.journey", description=__doc__)
    parser.add_argument("--times", type=int, default=200, help="requests of each kind (default 200)")
    times = parser.parse_args().times
    results = {}
    for name, words in (("gateway", ()), ("mesh", ("--mesh",))):
        with running(*words) as shop:
            results[name] = measure(shop, times)
    print(f"{'':16} {'hops':42} {'gateway':>20} {'mesh':>20}")
    for step in STEPS:
        columns = (results[name][step.name] for name in ("gateway", "mesh"))
        told = (f"{took:6.1f} ms {cpu:5.1f} CPU ms" for took, cpu in columns)
        print(f"{step.name:16} {step.hops:42} {'  '.join(f'{one:>20}' for one in told)}")


if __name__ == "__main__":
    main()
