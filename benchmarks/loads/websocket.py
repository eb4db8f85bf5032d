"""WebSocket messages through the proxy: 32 connections, each sends a small one and waits for the one that comes back.

The proxy tunnels bytes, so frames are made once and only counted. Run by hand:
`python -m benchmarks.loads.websocket PORT SECONDS`.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
from typing import cast

import uvloop

from benchmarks.backend import MESSAGE_BYTES, SERVER_FRAME
from benchmarks.model import Sample, Site
from benchmarks.processes import cpu_seconds

CONNECTIONS = 32
# Binary, masked with zeros: a valid frame (RFC 6455 §5.2), and making it costs nothing.
FRAME = bytes((0x82, 0x80 | MESSAGE_BYTES)) + bytes(4) + b"x" * MESSAGE_BYTES


def messages(site: Site) -> Sample:
    """The load as its own process, on its own core."""
    command = ["taskset", "-c", str(site.core), sys.executable, "-m", "benchmarks.loads.websocket", str(site.port)]
    before = cpu_seconds(site.pid)
    answer = subprocess.run([*command, str(site.seconds)], capture_output=True, text=True, check=True)
    used = cpu_seconds(site.pid) - before
    told = json.loads(answer.stdout)
    values = {"messages_per_cpu_second": told["messages"] / used if used else 0.0}
    return Sample(values | {"messages_per_second": told["messages"] / site.seconds}, told["failed"])


class Client(asyncio.Protocol):
    """One connection: handshake, then one message after the other."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._head = b""
        self._left = 0
        self.transport: asyncio.Transport
        self.open = False
        self.messages = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self.transport = cast(asyncio.Transport, transport)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        self.transport.write(f"{lines}Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        """A whole message has come back: send the next."""
        if not self.open:
            self._head += data
            if not self._head.endswith(b"\r\n\r\n"):
                return
            if not self._head.startswith(b"HTTP/1.1 101"):
                self.transport.close()
                return
            self.open, data = True, b""
        self._left -= len(data)
        if self._left <= 0:
            self.messages += bool(data)
            self._left = len(SERVER_FRAME)
            self.transport.write(FRAME)

    def connection_lost(self, exc: Exception | None) -> None:
        """Too early: it counts as failed."""
        self.open = False


async def main(port: int, seconds: float) -> None:
    """Load, and print the result as JSON."""
    loop = asyncio.get_running_loop()
    clients = [(await loop.create_connection(lambda: Client(port), "127.0.0.1", port))[1] for _ in range(CONNECTIONS)]
    await asyncio.sleep(seconds)
    failed = sum(not client.open or client.messages == 0 for client in clients)
    print(json.dumps({"messages": sum(client.messages for client in clients), "failed": failed}))


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), float(sys.argv[2])))
