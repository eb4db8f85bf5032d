"""Memory of connections that do nothing: 5 000 clients that have each been answered once and stay."""

from __future__ import annotations

import socket
import time

from benchmarks.loads.fixed_rate import complete
from benchmarks.model import Sample, Site
from benchmarks.processes import rss_mib

CONNECTIONS = 5_000
BATCH = 50


def idle_connections(site: Site) -> Sample:
    """Open them all, ask once on each, and look at the proxy's memory before and after."""
    before = rss_mib(site.pid)
    request = f"GET /orders/1 HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\n\r\n".encode()
    sockets: list[socket.socket] = []
    failed = 0
    try:
        while len(sockets) < CONNECTIONS:
            fresh = [socket.create_connection(("127.0.0.1", site.port), 10) for _ in range(BATCH)]
            sockets += fresh
            for sock in fresh:
                sock.sendall(request)
            failed += sum(not _answered(sock) for sock in fresh)
        time.sleep(1.0)  # what is freed late is freed now
        after = rss_mib(site.pid)
    finally:
        for sock in sockets:
            sock.close()
    return Sample({"kib_per_connection": (after - before) * 1024 / CONNECTIONS, "rss_mib": after}, failed)


def _answered(sock: socket.socket) -> bool:
    data = b""
    while piece := sock.recv(65_536):
        data += piece
        if complete(data):
            return data.startswith(b"HTTP/1.1 200")
    return False
