"""A gateway of this process on free ports, and raw clients: what the tests over real sockets share."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from gateway.compile.load import load_text
from gateway.roles.listener import Listener
from gateway.roles.worker import Worker

CONFIG = """
listeners: [{{name: public, port: 1{listener}}}]
accessLog: {{enabled: false}}
clusters: [{{name: shop, endpoints: ["127.0.0.1:{upstream}"]{cluster}}}]
routes:
  - name: everything
    public: true
    matches: [{{path: {{value: /}}}}]
    backendRefs: [{{cluster: shop}}]
    timeouts: {{{timeouts}}}
"""


@dataclass
class Here:
    """A running gateway and what may be asked of it."""

    worker: Worker
    listener: Listener
    port: int
    failures: list[dict[str, Any]] = field(default_factory=list)
    """Exceptions that nobody handled."""

    def total(self, name: str, **labels: str) -> float:
        """The sum of a counter's samples with these labels."""
        samples = [sample for family in self.worker.metrics.families() for sample in family["samples"]]
        return float(
            sum(value for found, tags, value, _ in samples if found == name and labels.items() <= tags.items())
        )


@contextlib.asynccontextmanager
async def gateway_here(
    upstream: int, listener: str = "", cluster: str = "", timeouts: str = "request: 10s"
) -> AsyncIterator[Here]:
    """A gateway in front of an upstream's port; the last three are pieces of YAML."""
    loop = asyncio.get_running_loop()
    text = CONFIG.format(upstream=upstream, listener=listener, cluster=cluster, timeouts=timeouts)
    spec = load_text(text, "test.yaml", {})
    worker = Worker("test-1", loop.time, Random(7), None)
    worker.apply(spec, {}, 1)
    accepting = Listener(spec.listeners[0], worker)
    sock = socket.create_server(("127.0.0.1", 0), backlog=256)
    await accepting.start(sock)
    here = Here(worker, accepting, sock.getsockname()[1])
    loop.set_exception_handler(lambda _, context: here.failures.append(context))
    sweeping = asyncio.create_task(_sweep(here))
    try:
        yield here
    finally:
        sweeping.cancel()
        accepting.drain()
        accepting.abort()
        for one in worker.snapshot.clusters.values():
            one.retire()
        await asyncio.sleep(0.01)


async def _sweep(here: Here) -> None:
    while True:
        await asyncio.sleep(0.01)
        here.worker.sweep()
        here.listener.sweep()


async def read_until_quiet(reader: asyncio.StreamReader, quiet: float) -> tuple[bytes, bool]:
    """Everything up to the end of the connection or the first silence; and whether it ended."""
    received = b""
    while True:
        try:
            piece = await asyncio.wait_for(reader.read(65_536), quiet)
        except TimeoutError:
            return received, False
        except ConnectionResetError:
            return received, True
        if not piece:
            return received, True
        received += piece


Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def upstream_here(conversation: Conversation) -> AsyncIterator[int]:
    """The port of an upstream that holds this conversation on each connection; nothing is left of it at the end."""
    tasks: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        try:
            await conversation(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the gateway closed the connection, or the test is over: how every conversation here ends
        finally:
            writer.close()
            tasks.discard(asyncio.current_task())

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        serving = [task for task in tasks if task is not None]
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving)
        await asyncio.sleep(0.01)
