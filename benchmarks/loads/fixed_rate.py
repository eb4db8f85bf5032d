"""Open loop: requests at a fixed rate, and how long each took from the moment it was due.

The problem: a load that waits for each answer slows down together with the proxy and hides its worst moments
("coordinated omission"), and connections that tick in step measure their own bursts. The rule: arrivals are a Poisson
process, the same for every proxy (one seed); a latency begins when the request was due, also when no connection was
free then. Run by hand: `python -m benchmarks.loads.fixed_rate PORT RATE SECONDS < TOKEN`.
"""

from __future__ import annotations

import gc
import json
import random
import select
import socket
import subprocess
import sys
import time
from collections import deque

from benchmarks.model import Sample, Site
from benchmarks.processes import cpu_seconds

CONNECTIONS = 64
SEED = 1
GIVE_UP = 5.0
"""Seconds after the last request was due."""


def fixed_rate(site: Site) -> Sample:
    """The load as its own process, on its own core."""
    before = cpu_seconds(site.pid)
    command = ["taskset", "-c", str(site.core), sys.executable, "-m", "benchmarks.loads.fixed_rate"]
    command += [str(site.port), str(site.rate), str(site.seconds)]
    answer = subprocess.run(command, input=site.token, capture_output=True, text=True, check=True)
    used = cpu_seconds(site.pid) - before
    told = json.loads(answer.stdout)
    values = {"cpu_us": used / told["answers"] * 1e6, "rate": site.rate}
    return Sample(values | {name: told[name] for name in ("p50_ms", "p99_ms", "p999_ms")}, told["failed"])


def arrivals(rate: float, seconds: float) -> list[float]:
    """When requests are due, in seconds from the start."""
    source, due, found = random.Random(SEED), 0.0, []
    while (due := due + source.expovariate(rate)) < seconds:
        found.append(due)
    return found


def percentile(ordered: list[float], share: float) -> float:
    """The value that `share` of an ordered list do not exceed (nearest rank)."""
    return ordered[min(len(ordered) - 1, max(0, -int(-share * len(ordered) // 1) - 1))]


class Generator:
    """Connections, requests that are due and wait for one, and latencies."""

    def __init__(self, port: int, request: bytes) -> None:
        self._request = request
        self._all = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
        self._idle = deque(self._all)  # used in turn: one that was idle for a minute would be closed by the other side
        for sock in self._all:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._busy: dict[socket.socket, tuple[float, bytes]] = {}
        self._waiting: deque[float] = deque()
        self.latencies: list[float] = []
        self.failed = 0

    def __enter__(self) -> Generator:
        return self

    def __exit__(self, *_: object) -> None:
        for sock in self._all:
            sock.close()

    def run(self, due: list[float]) -> None:
        """Send every request when it is due, and wait for the answers."""
        start, turn = time.perf_counter(), 0
        while turn < len(due) or self._busy or self._waiting:
            now = time.perf_counter() - start
            while turn < len(due) and due[turn] <= now:
                self._waiting.append(due[turn] + start)
                turn += 1
            self._send()
            if now > due[-1] + GIVE_UP or not (self._busy or self._idle):
                self.failed += len(self._busy) + len(self._waiting) + len(due) - turn
                return
            pause = due[turn] - (time.perf_counter() - start) if turn < len(due) else 0.1
            # select, not epoll: its time-out has microseconds, epoll's whole milliseconds.
            for sock in select.select(list(self._busy), [], [], max(pause, 0.0))[0]:
                self._receive(sock)

    def _send(self) -> None:
        while self._waiting and self._idle:
            sock = self._idle.popleft()
            self._busy[sock] = self._waiting.popleft(), b""
            sock.sendall(self._request)

    def _receive(self, sock: socket.socket) -> None:
        due, before = self._busy.pop(sock)
        piece = sock.recv(65_536)
        data = before + piece
        if piece and not complete(data):
            self._busy[sock] = due, data
        elif piece and data.startswith(b"HTTP/1.1 200"):
            self.latencies.append(time.perf_counter() - due)
            self._idle.append(sock)
        else:
            self.failed += 1
            if piece:
                self._idle.append(sock)


def complete(data: bytes) -> bool:
    """Whether a whole answer has come; its length is in Content-Length, as all answers here."""
    head, found, body = data.partition(b"\r\n\r\n")
    if not found:
        return False
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line[15:])
    raise ValueError("an answer without Content-Length")


def main(port: int, rate: float, seconds: float, token: str) -> None:
    """Warm up, load, and print the result as JSON."""
    lines = f"GET /orders/1 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\r\n"
    gc.disable()
    with Generator(port, lines.encode()) as generator:
        generator.run(arrivals(rate, 0.5))
        generator.latencies.clear()
        generator.run(arrivals(rate, seconds))
    ordered = sorted(generator.latencies)
    shares = {"p50_ms": 0.5, "p99_ms": 0.99, "p999_ms": 0.999}
    told = {name: percentile(ordered, share) * 1000 if ordered else 0.0 for name, share in shares.items()}
    print(json.dumps(told | {"answers": len(ordered), "failed": generator.failed}))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), sys.stdin.read())
