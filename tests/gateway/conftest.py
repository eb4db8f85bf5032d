"""A gateway on a free port of this process, in front of upstreams that say exactly what a test tells them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from textwrap import dedent

import pytest

from gateway.compile.load import load_text
from gateway.roles.listener import Listener
from gateway.roles.worker import Worker

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Upstream:
    """A raw server: `seen` holds the bytes of each request's head."""

    address: str
    server: asyncio.Server
    seen: list[bytes] = field(default_factory=list)
    connections: int = 0
    tasks: set[asyncio.Task[None] | None] = field(default_factory=set)


@dataclass
class Gateway:
    """A worker with its listeners, in this process."""

    worker: Worker
    listeners: dict[str, Listener]
    ports: dict[str, int]

    def apply(self, text: str, version: int = 2) -> None:
        """Another configuration."""
        self.worker.apply(load_text(dedent(text), "test.yaml", {}), {}, version)

    async def raw(self, data: bytes, listener: str = "public", wait: float = 5.0) -> bytes:
        """Send bytes, read until the gateway closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.ports[listener])
        writer.write(data)
        try:
            return await asyncio.wait_for(reader.read(), wait)
        finally:
            writer.close()

    def total(self, name: str, **labels: str) -> float:
        """The sum of a counter's samples with these labels."""
        samples = [sample for family in self.worker.metrics.families() for sample in family["samples"]]
        return float(
            sum(value for found, tags, value, _ in samples if found == name and labels.items() <= tags.items())
        )


@pytest.fixture
async def upstream() -> AsyncIterator[Callable[[bytes | Answer], Awaitable[Upstream]]]:
    """Start an upstream that answers every request with the given bytes, or as a function does."""
    started: list[Upstream] = []

    async def start(answer: bytes | Answer) -> Upstream:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            one.connections += 1
            one.tasks.add(asyncio.current_task())
            try:
                while head := await reader.readuntil(b"\r\n\r\n"):
                    one.seen.append(head)
                    if callable(answer):
                        await answer(reader, writer)
                    else:
                        writer.write(answer)
                        await writer.drain()
            except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                pass  # the gateway closed the connection, or the test is over: how every conversation here ends
            finally:
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        one = Upstream(f"{host}:{port}", server)
        started.append(one)
        return one

    yield start
    for one in started:
        one.server.close()
        serving = [task for task in one.tasks if task is not None and not task.done()]
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Callable[[str], Awaitable[Gateway]]]:
    """Start a gateway from the text of a configuration; listeners get free ports whatever the text says."""
    running: list[tuple[Gateway, asyncio.Task[None]]] = []
    (tmp_path / "logs").mkdir()

    async def start(text: str) -> Gateway:
        loop = asyncio.get_running_loop()
        worker = Worker("test-1", loop.time, Random(7), tmp_path)
        spec = load_text(dedent(text), "test.yaml", {})
        worker.apply(spec, {}, 1)
        listeners, ports = {}, {}
        for one in spec.listeners:
            sock = socket.create_server(("127.0.0.1", 0))
            ports[one.name] = sock.getsockname()[1]
            listeners[one.name] = Listener(one, worker)
            await listeners[one.name].start(sock)
        running.append((Gateway(worker, listeners, ports), asyncio.create_task(sweep(worker, listeners))))
        return running[-1][0]

    yield start
    for one, task in running:
        task.cancel()
        for listener in one.listeners.values():
            listener.drain()
            listener.abort()
        for cluster in one.worker.snapshot.clusters.values():
            cluster.retire()
        for provider in one.worker.snapshot.providers.values():
            await provider.close()
        one.worker.access_log.close()
    await asyncio.sleep(0)


async def sweep(worker: Worker, listeners: dict[str, Listener]) -> None:
    """What the edge does between requests."""
    while True:
        await asyncio.sleep(0.01)
        worker.sweep()
        for listener in listeners.values():
            listener.sweep()
