"""Memory while a large body passes and the receiver is slow, in either direction.

The problem: a proxy that reads faster than it can write holds the difference in memory. The rule: the sender sends
as fast as it may, the receiver first reads nothing for a second and then 256 MiB a second; what counts is the
largest resident memory on the way, over that before.
"""

from __future__ import annotations

import socket
import time

from benchmarks.loads.pace import PAUSE, Pace
from benchmarks.model import Sample, Site
from benchmarks.processes import cpu_seconds, rss_mib

PIECE = 1_048_576


class Growth:
    """The largest memory seen, over the first."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._first = self._largest = rss_mib(pid)
        self._cpu = cpu_seconds(pid)

    def look(self) -> None:
        """Look once more."""
        self._largest = max(self._largest, rss_mib(self._pid))

    def sample(self, size: int, complete: bool) -> Sample:
        """Growth, and the bytes that passed per second of CPU time."""
        self.look()
        used = cpu_seconds(self._pid) - self._cpu
        values = {"growth_mib": self._largest - self._first, "rss_mib": self._largest}
        values["mib_per_cpu_second"] = size / 2**20 / used if used else 0.0
        return Sample(values, 0 if complete else 1)


def download(site: Site) -> Sample:
    """A large answer to a slow client."""
    growth, size = Growth(site.pid), site.megabytes * 2**20
    with _connect(site) as sock:
        sock.sendall(f"GET /stream?bytes={size} HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\n\r\n".encode())
        _look_on(growth, PAUSE)
        pace, read, head = Pace(time.monotonic()), 0, b""
        while read < size:
            piece = sock.recv(PIECE)
            if not piece:
                break
            if not head:
                head, _, piece = piece.partition(b"\r\n\r\n")
            read += len(piece)
            growth.look()
            time.sleep(max(0.0, pace.wait(len(piece), time.monotonic())))
    return growth.sample(read, read == size and head.startswith(b"HTTP/1.1 200"))


def upload(site: Site) -> Sample:
    """A large request to a slow upstream (benchmarks.backend keeps the pace)."""
    growth, size = Growth(site.pid), site.megabytes * 2**20
    with _connect(site) as sock:
        head = f"POST /slow HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nContent-Length: {size}\r\n\r\n"
        sock.sendall(head.encode())
        piece = bytes(PIECE)
        for _ in range(size // PIECE):
            sock.sendall(piece)
            growth.look()
        status = sock.recv(65_536)
    return growth.sample(size, status.startswith(b"HTTP/1.1 200"))


def _connect(site: Site) -> socket.socket:
    return socket.create_connection(("127.0.0.1", site.port), timeout=60)


def _look_on(growth: Growth, seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        growth.look()
        time.sleep(0.02)
