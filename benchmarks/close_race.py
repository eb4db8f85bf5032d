"""The race of kept connections (RFC 9112 §9.5), aimed at on purpose: `python -m benchmarks.close_race`.

The problem: whoever closes an idle connection may do so while a request is on its way, and nobody can rule that out;
how often that happens by chance says little. The rule: both sides stand in this process and aim at the instant, so
what is counted is the worst case, in which a client that means no harm never is.

    towards services   the service closes its kept connection within 300 µs before or after the client sends the next
                       request to the gateway: GET must be answered, if need be from a second connection; POST is
                       answered, or refused with 502, and never sent twice
    towards clients    as soon as the idle time-out closes the first of many connections, a request is written to
                       every other one that looks open: lost are those that get no answer
"""

from __future__ import annotations

import argparse
import json
import random
import select
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.gatehouse import start_worker
from benchmarks.processes import stop, wait_until_serving
from benchmarks.run import PROXY_CORE

GAP = 300e-6
"""Seconds by which the two events may miss each other, either way."""
CROWD, CROWDS = 200, 4
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
REQUESTS = {
    "GET": b"GET /race HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST": b"POST /race HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
}


@dataclass
class Stand:
    """A running worker, and the service behind it: one listening socket and at most one kept connection."""

    port: int
    listening: socket.socket
    kept: socket.socket | None = None
    requests: int = 0

    def connect(self) -> socket.socket:
        """A client's connection to the gateway."""
        sock = socket.create_connection(("127.0.0.1", self.port), 5)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def forget(self) -> None:
        """The service closes its kept connection."""
        if self.kept is not None:
            self.kept.close()
            self.kept = None

    def answer(self, client: socket.socket) -> int:
        """Serve until the client has an answer; its status."""
        while True:
            watched = [one for one in (client, self.listening, self.kept) if one is not None]
            ready, _, _ = select.select(watched, [], [], 5)
            if client in ready:
                return int(client.recv(65_536).split(b" ", 2)[1])
            if self.listening in ready:
                self.forget()
                self.kept, _ = self.listening.accept()
            elif self.kept in ready:
                self._serve()
            else:
                raise TimeoutError("neither the client nor the service heard anything")

    def _serve(self) -> None:
        assert self.kept is not None
        data = self.kept.recv(65_536)
        if not data:
            self.forget()
            return
        self.requests += 1
        self.kept.sendall(ANSWER)


def towards_services(stand: Stand, method: str, rounds: int, source: random.Random) -> Counter[int]:
    """Statuses of requests that were sent while the service closed the connection that they would have taken."""
    found: Counter[int] = Counter()
    client = stand.connect()
    for _ in range(rounds):
        client.sendall(REQUESTS["GET"])
        stand.answer(client)
        gap = source.uniform(-GAP, GAP)
        if gap > 0:
            stand.forget()
        else:
            client.sendall(REQUESTS[method])
        until = time.perf_counter() + abs(gap)  # no sleep: it is not that exact
        while time.perf_counter() < until:
            pass
        if gap > 0:
            client.sendall(REQUESTS[method])
        else:
            stand.forget()
        found[stand.answer(client)] += 1
    client.close()
    return found


def towards_clients(stand: Stand) -> tuple[int, int, float]:
    """How many requests were written to connections that looked open and were not; of how many; for how long."""
    crowd = [stand.connect() for _ in range(CROWD)]
    for one in crowd:
        one.sendall(REQUESTS["GET"])
        stand.answer(one)
    closed, _, _ = select.select(crowd, [], [], 10)
    began = time.perf_counter()
    written: list[tuple[float, socket.socket]] = []
    for one in crowd:
        if one not in closed and not select.select([one], [], [], 0)[0]:
            one.sendall(REQUESTS["GET"])
            written.append((time.perf_counter() - began, one))
    lost = [when for when, one in written if not _answered(stand, one)]
    for one in crowd:
        one.close()
    return len(lost), len(written), max(lost, default=0.0)


def _answered(stand: Stand, client: socket.socket) -> bool:
    try:
        return stand.answer(client) == 200
    except (ConnectionResetError, IndexError):  # an end without an answer
        return False


@contextmanager
def standing(directory: Path) -> Iterator[Stand]:
    """The worker of one measurement."""
    listening = socket.create_server(("127.0.0.1", 0))
    sock = socket.create_server(("127.0.0.1", 0), backlog=CROWD)
    stand = Stand(sock.getsockname()[1], listening)
    configured = {
        "listeners": [{"name": "public", "port": stand.port, "idleTimeout": "1s"}],
        "accessLog": {"path": str(directory / "access.log")},
        "clusters": [{"name": "b", "endpoints": [f"127.0.0.1:{listening.getsockname()[1]}"]}],
        "routes": [
            {
                "name": "all",
                "public": True,
                "matches": [{"path": {"value": "/race"}}],
                "backendRefs": [{"cluster": "b"}],
            }
        ],
    }
    process = start_worker(directory, json.dumps(configured), sock, PROXY_CORE)
    try:
        wait_until_serving(process, stand.port, "/nothing", "", expected=404)
        yield stand
    finally:
        stop(process)
        stand.forget()
        listening.close()


def resent(log: Path) -> int:
    """Requests that went out twice, as the access log tells."""
    return sum(json.loads(line)["attempts"] > 1 for line in log.read_text().splitlines())


def report(rounds: int, seed: int) -> Iterator[str]:
    """Measure, and say what came of it."""
    source = random.Random(seed)
    for method in REQUESTS:
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            with standing(directory) as stand:
                found = towards_services(stand, method, rounds, source)
            again = resent(directory / "access.log")
        answers = ", ".join(f"{status}: {count}" for status, count in sorted(found.items()))
        read = stand.requests - rounds  # every other request was not aimed
        yield f"towards services  {method:4}  {rounds} aimed, {again} sent again, {read} read; answers {answers}"
    with tempfile.TemporaryDirectory() as name, standing(Path(name)) as stand:
        lost, written, widths = zip(*(towards_clients(stand) for _ in range(CROWDS)), strict=True)
    width = max(widths) * 1e6
    yield f"towards clients   GET   {sum(written)} aimed, {sum(lost)} lost, up to {width:.0f} µs after the first close"


def main() -> None:
    """Print the report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.close_race", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5_000, help="requests of each kind (default 5000)")
    parser.add_argument("--seed", type=int, default=1, help="repeats the gaps, not the kernel's timing (default 1)")
    options = parser.parse_args()
    for line in report(options.rounds, options.seed):
        print(line, flush=True)


if __name__ == "__main__":
    main()
