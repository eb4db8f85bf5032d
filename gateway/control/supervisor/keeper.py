"""Keep one process alive.

    stopped ──start──▶ starting ──ready──▶ running
       ▲                ▲     │died           │died
       │                │     ▼               │
       └──stop── any    └── backoff ◀─────────┘

A process that somebody stopped on purpose stays stopped; any other end is followed by a restart.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

from gateway.control.supervisor.backoff import Backoff
from gateway.control.supervisor.guard import Life
from gateway.control.supervisor.nursery import Nursery
from gateway.control.supervisor.process import Child, Lifeline, Seedling, adopt, spawn
from gateway.control.supervisor.program import ProcessPlan
from gateway.control.supervisor.readiness import until_ready

State = Literal["starting", "running", "backoff", "stopped"]
Report = Callable[..., None]
"""Called as report(event, name=…, …) with every change worth telling."""
EXITS_BEFORE_GIVING_UP = 3
"""So many early ends in a row are reported as a failed start, while restarts go on."""
SETTLED = 2.0
"""Seconds of health after which an end is no longer an early one."""
UNHEARD = "unknown: it told a supervisor that was killed"
log = logging.getLogger(__name__)


class Roll(Protocol):
    """Who is told of children's lives: the guard."""

    def started(self, life: Life) -> None:
        """A child lives."""

    def ended(self, pid: int) -> None:
        """A child has ended."""

    def rests(self, name: str, on_purpose: bool) -> None:
        """Somebody stopped it on purpose, or wants it again."""


class Keeper:
    """One process, its state, and the task that restarts it."""

    def __init__(
        self,
        plan: ProcessPlan,
        lifeline: Lifeline,
        environ: Mapping[str, str],
        roll: Roll,
        report: Report,
        nurseries: Sequence[Nursery] = (),
    ) -> None:
        self.plan = plan
        self._nurseries = nurseries
        self.state: State = "stopped"
        self.restarts = 0
        self.last_exit: str | None = None
        self.isolation: str = ""
        """What the process itself says of it; empty until it has, and of one that is not confined."""
        self._lifeline, self._environ, self._roll, self._report = lifeline, environ, roll, report
        self._backoff = Backoff()
        self._child: Child | None = None
        self._spawned = self._ready_at = 0.0
        self._exits_in_a_row = 0
        self._stop = asyncio.Event()
        self._ready = asyncio.Event()
        self._hopeless = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._inherited: Life | None = None
        self._seedling: Seedling | None = None

    def __repr__(self) -> str:
        return f"<{self.plan.name} {self.state} pid={self.pid} restarts={self.restarts}>"

    @property
    def pid(self) -> int | None:
        """The process id while there is a process."""
        return self._child.pid if self._child else None

    @property
    def memory_fd(self) -> int | None:
        """On which to read how much memory it uses, if it has closed that to others."""
        return self._child.memory_fd if self._child else None

    @property
    def uptime(self) -> float:
        """Seconds since the process was started."""
        return time.monotonic() - self._spawned if self._child else 0.0

    def start(self, seedling: Seedling | None = None) -> None:
        """Start keeping it alive, from what runs already if it was sown; nothing happens if that is so already."""
        if self._task is None or self._task.done():
            self._roll.rests(self.plan.name, False)
            self._seedling = seedling
            self._stop.clear()
            self._ready.clear()
            self._hopeless.clear()
            self._exits_in_a_row = 0
            self._task = asyncio.create_task(self._keep(), name=f"keep {self.plan.name}")

    def take_over(self, life: Life) -> None:
        """Keep alive what a predecessor of ours had started."""
        self.restarts, self._inherited = life.restarts, life
        self.isolation = life.isolation or (UNHEARD if self.plan.rules else "")
        self.start()

    async def stop(self) -> None:
        """End it, on purpose; returns when it is gone."""
        self._roll.rests(self.plan.name, True)
        self._stop.set()
        if self._task:
            await asyncio.shield(self._task)

    def kill(self) -> None:
        """End it for good, without any grace."""
        self._stop.set()
        if self._child:
            self._child.kill()

    async def wait_ready(self) -> None:
        """Return when it is ready; bound it with `asyncio.timeout`."""
        await self._ready.wait()

    async def wait_hopeless(self) -> None:
        """Return only when it has ended several times in a row, each time soon after its start."""
        await self._hopeless.wait()

    async def ready_or_hopeless(self) -> bool:
        """True when it is ready, False when it keeps ending; bound it with `asyncio.timeout`."""
        waiting = [asyncio.create_task(event.wait()) for event in (self._ready, self._hopeless)]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            return self._ready.is_set()
        finally:
            for task in waiting:
                task.cancel()

    async def _keep(self) -> None:
        while not self._stop.is_set():
            await self._live()
            if not self._stop.is_set():
                await self._wait_before_restart()
        self.state = "stopped"
        self._report("stopped", name=self.plan.name)

    async def _live(self) -> None:
        """From the start of a process to its end."""
        self.state, self._ready_at = "starting", 0.0
        adopted = self._inherited is not None
        try:
            self._child = await self._begin()
        except OSError as error:
            self.last_exit = f"cannot be started: {error}"
            return
        self._enrol(self._child)
        probing = asyncio.create_task(self._probe(self._child, adopted))
        try:
            self.last_exit = await self._end_or_stop(self._child)
        finally:
            probing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await probing
            self._roll.ended(self._child.pid)
            self._child, self.isolation = None, ""
            self._ready.clear()

    def _enrol(self, child: Child) -> None:
        self._roll.started(Life(child.pid, self.plan.name, self._spawned, self.restarts, self.isolation))

    async def _begin(self) -> Child:
        inherited, self._inherited = self._inherited, None
        if inherited is not None:
            self._spawned = inherited.spawned
            return adopt(inherited.pid)
        seedling, self._seedling = self._seedling, None
        settings = self.plan.settings_for_start(time.time())
        if seedling is not None and settings is not None:
            child = await seedling.settle(settings)
        else:
            child = await spawn(self.plan, self._lifeline, self._environ, self._nurseries)
        self._spawned = time.monotonic()
        self._report("started", name=self.plan.name, pid=child.pid)
        return child

    async def _end_or_stop(self, child: Child) -> str:
        ended = asyncio.create_task(child.wait())
        told_to_stop = asyncio.create_task(self._stop.wait())
        await asyncio.wait({ended, told_to_stop}, return_when=asyncio.FIRST_COMPLETED)
        told_to_stop.cancel()
        if not ended.done():
            await child.end(self.plan.grace)
        return await ended

    async def _probe(self, child: Child, adopted: bool) -> None:
        if isolation := await child.isolation():
            self.isolation = isolation
            self._enrol(child)  # once more: a successor shall know it, too
        if self.plan.probe:
            await until_ready(self.plan.probe)
        else:
            await asyncio.sleep(self.plan.settle)
        self.state, self._ready_at = "running", time.monotonic()
        self._hopeless.clear()
        self._ready.set()
        if not adopted:  # nothing new to people
            self._report("ready", name=self.plan.name, seconds=round(self._ready_at - self._spawned, 3))

    async def _wait_before_restart(self) -> None:
        healthy = time.monotonic() - self._ready_at if self._ready_at else 0.0
        delay = self._backoff.after(healthy)
        self.state = "backoff"
        self.restarts += 1
        self._exits_in_a_row = 1 if healthy >= SETTLED else self._exits_in_a_row + 1
        if self._exits_in_a_row >= EXITS_BEFORE_GIVING_UP:
            self._hopeless.set()
        log.warning("%s ended: %s", self.plan.name, self.last_exit, extra={"restart_in_s": delay})
        self._report("ended", name=self.plan.name, reason=self.last_exit, restart_in_s=delay)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stop.wait(), delay)
