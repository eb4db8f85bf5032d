"""The gateway worker: `python -m gateway.roles.edge --settings-fd N`.

The problem: a worker must serve at once, must survive the loss of everything but itself, and must go without
cutting anyone off. The rule: sockets come bound, configuration comes from control or, when that is away, from the
last good one on disk; SIGTERM drains: no new connections, answers say `Connection: close`, what is in flight ends
within the drain time. When the supervisor is gone (its end of the lifeline pipe closes) the worker drains too.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import os
import random
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import uvloop

from gateway.compile.compiler import Endpoints
from gateway.compile.snapshot import Snapshot
from gateway.filters.signing import SigningKeys
from gateway.mesh.enrolment import Enrolment, MeshSettings
from gateway.observability.export import SpanExporter
from gateway.roles.channel import Channel, Message, over_unix_socket, read_spec
from gateway.roles.listener import Listener
from gateway.roles.worker import Worker
from gateway.spec.models import Spec
from gateway.upstream.canary import FILE, read_orders
from gateway.upstream.redis_account import Account
from gateway.upstream.workload import Workload

SWEEP_PERIOD: Final = 0.05
LAST_WORDS: Final = 1.0
"""Seconds for answers that are written to reach slow clients when the process goes."""
SLOW_SWEEP: Final = 20
"""Connections and idle upstream connections are looked at every so many sweeps: once a second."""

log = logging.getLogger("gateway.edge")


@dataclass(frozen=True)
class Settings:
    """What the supervisor tells a worker."""

    worker: str
    listeners: dict[str, int]
    """Listener name → inherited file descriptor of a bound socket."""
    control_socket: str | None = None
    control_secret: str = field(default="", repr=False)
    """What control wants to hear on it."""
    last_good: str | None = None
    state_dir: str | None = None
    otlp: dict[str, Any] | None = None
    redis: dict[str, Any] | None = None
    """The supervisor's own Redis and who we are to it, as an `Account`; None when it runs none."""
    internal_secret: str = field(default="", repr=False)
    """What the instance's signing keys are derived from."""
    mesh: dict[str, Any] | None = field(default=None, repr=False)
    """How to come to our identity, as `MeshSettings`; None outside of a mesh."""
    lifeline_fd: int | None = None


class Edge:
    """One gateway worker's life."""

    role = "gateway"
    """Under which name its spans are known."""
    app_secret = ""
    keeps = False
    """Whether it writes `last_good` itself: control does it for the workers."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        state_dir = Path(settings.state_dir) if settings.state_dir else None
        if state_dir:
            (state_dir / "logs").mkdir(mode=0o700, parents=True, exist_ok=True)
        source = random.Random(os.urandom(16))  # noqa: S311  (ids and balancing, no secrets)
        self.enrolment = _enrolment(settings, source)
        self.worker = Worker(
            settings.worker,
            time.monotonic,  # not the loop's clock: uvloop rounds it to whole milliseconds
            source,
            state_dir,
            Account(**settings.redis) if settings.redis else None,
            self.enrolment.workload if self.enrolment else None,
            self.app_secret,
            signing=SigningKeys(settings.internal_secret.encode()) if settings.internal_secret else None,
        )
        self.listeners: dict[str, Listener] = {}
        self._stopping = asyncio.Event()
        self._closing: set[asyncio.Task[None]] = set()
        if settings.otlp:
            self.worker.exporter = SpanExporter(
                settings.otlp["endpoint"],
                settings.otlp.get("headers", {}),
                self.role,
                settings.worker,
                lambda reason, count: self.worker.metrics.spans_dropped.add(reason, amount=count),
            )

    async def run(self) -> None:
        """Serve until told to stop, then drain."""
        self._watch_for_the_end()
        tasks = [self._in_background(self._sweep())]
        if self.enrolment:
            await self.enrolment.first()
            tasks.append(self._in_background(self.enrolment.run()))
        await self._start_from_last_good()
        channel = self._channel()
        if channel:
            tasks.append(self._in_background(channel.run()))
        if self.worker.exporter:
            tasks.append(self._in_background(self.worker.exporter.run()))
        await self._stopping.wait()
        await self._drain()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.worker.access_log.close()

    def _channel(self) -> Channel | None:
        """The line to control, if there is one."""
        path = self.settings.control_socket
        introduction = {"role": "edge", "secret": self.settings.control_secret}
        return Channel(over_unix_socket(path), self.worker, self.apply, introduction) if path else None

    def _in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something for as long as the worker; if it fails, the worker goes, and a fresh one takes its place."""
        task = asyncio.create_task(work)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            log.error("a part of this worker failed: draining", exc_info=task.exception())
            self._stopping.set()

    async def _start_from_last_good(self) -> None:
        path = Path(self.settings.last_good) if self.settings.last_good else None
        if path is None or not path.exists():
            return
        try:
            self.worker.obey(read_orders(path.with_name(FILE)))
        except (OSError, ValueError) as error:
            log.error("decisions about canaries cannot be read: weights are those of the configuration: %s", error)
        saved = json.loads(path.read_bytes())
        await self.apply(saved["spec"], saved["endpoints"], saved["version"])

    async def apply(self, document: Message, endpoints: Endpoints, version: int) -> float:
        """Put a configuration in force; the first one opens the listeners.

        Compiled beside the requests, swapped between two of them: with 1 000 routes it takes about 55 ms, and the
        event loop is held up for 6 to 8 of them at a time (12 in the worst of twenty reloads).

        Returns:
            How many seconds the swap itself took.

        Raises:
            Exception: it does not compile; the one before serves on.
        """
        after = await asyncio.to_thread(self._compiled, document, endpoints, version)
        started = time.perf_counter()
        spec = after.spec
        for one in spec.listeners:
            if one.name in self.listeners:
                self.listeners[one.name].check(one)
        for unused in self.worker.swap(after):
            task = asyncio.create_task(unused.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        for one in spec.listeners:
            if one.name in self.listeners:
                self.listeners[one.name].configure(one)
            elif one.name in self.settings.listeners:
                await self._listen(one.name, spec)
        stalled = time.perf_counter() - started
        log.info("serving version %s: %s routes", version, len(spec.routes))
        if self.keeps and self.settings.last_good:
            good = {"spec": document, "endpoints": dict(endpoints), "version": version}
            await asyncio.to_thread(_keep, Path(self.settings.last_good), good)
        return stalled

    def _compiled(self, document: Message, endpoints: Endpoints, version: int) -> Snapshot:
        """In a thread. A full garbage collection in the middle would hold up everybody, so none happens here."""
        gc.disable()
        try:
            return self.worker.prepare(read_spec(document), endpoints, version)
        finally:
            gc.enable()

    async def _listen(self, name: str, spec: Spec) -> None:
        listener = Listener(next(one for one in spec.listeners if one.name == name), self.worker)
        self.listeners[name] = listener
        await listener.start(socket.socket(fileno=os.dup(self.settings.listeners[name])))
        gc.freeze()  # what exists now lives as long as the process: the collector need not look at it again

    async def _sweep(self) -> None:
        turn = 0
        while True:
            await asyncio.sleep(SWEEP_PERIOD)
            turn += 1
            self.worker.sweep()
            if turn % 5 == 0:
                self.worker.access_log.flush()
            if turn % SLOW_SWEEP == 0:
                self.worker.tick()
                self._slow_sweep()

    def _slow_sweep(self) -> None:
        now = self.worker.clock()
        for listener in self.listeners.values():
            listener.sweep()
        for cluster in self.worker.snapshot.clusters.values():
            cluster.sweep(now)

    # -- the end ---------------------------------------------------------------------------------------------

    def _watch_for_the_end(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        if self.settings.lifeline_fd is not None:
            loop.add_reader(self.settings.lifeline_fd, self._lifeline_ended)

    def _lifeline_ended(self) -> None:
        assert self.settings.lifeline_fd is not None
        asyncio.get_running_loop().remove_reader(self.settings.lifeline_fd)
        log.warning("the supervisor is gone: draining")
        self._stopping.set()

    async def _drain(self) -> None:
        """No new connections; what is in flight ends within the drain time; the rest is broken visibly."""
        limit = self.worker.snapshot.spec.drain_timeout
        for listener in self.listeners.values():
            listener.drain()
        deadline = self.worker.clock() + limit
        while any(listener.connections for listener in self.listeners.values()) and self.worker.clock() < deadline:
            for listener in self.listeners.values():
                listener.sweep()
            await asyncio.sleep(0.01)
        if self.worker.busy():
            log.warning("%s requests were cut off after the drain time", self.worker.busy())
        for exchange in list(self.worker.exchanges):
            exchange.cut_off()
        deadline = self.worker.clock() + LAST_WORDS
        while self._unsent() and self.worker.clock() < deadline:
            await asyncio.sleep(0.01)
        for listener in self.listeners.values():
            listener.abort()

    def _unsent(self) -> bool:
        return any(listener.unsent() for listener in self.listeners.values())


def _keep(path: Path, good: Message) -> None:
    new = path.with_suffix(".new")
    new.write_text(json.dumps(good))
    new.replace(path)


def _enrolment(settings: Settings, source: random.Random) -> Enrolment | None:
    if settings.mesh is None:
        return None
    told = MeshSettings(**settings.mesh)
    return Enrolment(Workload(told.identity), told, source)


def configure_logging() -> None:
    """One JSON object per line on standard error."""
    from gateway.observability.logs import JsonFormatter

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def main(prog: str, make: Callable[[dict[str, Any]], Edge]) -> None:
    """Read the settings from the inherited pipe and run what `make` makes of them."""
    parser = argparse.ArgumentParser(prog=prog)
    parser.add_argument("--settings-fd", type=int, required=True)
    with os.fdopen(parser.parse_args().settings_fd) as pipe:
        document: dict[str, Any] = json.load(pipe)
    os.umask(0o077)
    configure_logging()

    async def serve() -> None:
        await make(document).run()

    sys.setswitchinterval(0.001)  # a thread that compiles yields to requests within a millisecond, not five
    uvloop.run(serve())


if __name__ == "__main__":
    main("gateway.roles.edge", lambda document: Edge(Settings(**document)))
