"""Which configuration is in force, and how a new one replaces it.

The problem: a typing error must never take a gateway down, and half of the workers must never serve another
policy than the other half. The rule: read and validate aside; then send to every worker; only when all have
accepted is it in force and saved as the last good one; otherwise everyone goes back. Whatever happens is
told in the log, in the history and in the metrics.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from gateway.control.changes import describe, listener_change, worker_change
from gateway.control.channel import Channel, Worker
from gateway.control.kept_texts import Kept, KeptTexts
from gateway.control.messages import Ack, encode
from gateway.control.metrics_render import ControlMetrics
from gateway.control.revision import Endpoints, Revision, read_last_good, write_last_good
from gateway.control.rollout import ACK_SECONDS, Rollout
from gateway.spec.errors import SpecErrors
from gateway.spec.models import Spec

log = logging.getLogger(__name__)


class Loader(Protocol):
    """Reads a configuration: the file, or a text in its place."""

    def __call__(self, path: Path, variables: Mapping[str, str], text: str | None = None) -> Spec:
        """The checked spec."""


@dataclass(frozen=True)
class Override:
    """A configuration that stands in for the file's, until it is taken away."""

    text: str
    why: str
    since: float
    """Seconds since the epoch."""
    trial: bool = False
    """Whether somebody tries another configuration; otherwise the lab has weakened this one."""

    def view(self) -> dict[str, Any]:
        """Why and since when, as JSON."""
        return {"why": self.why, "since": self.since, "trial": self.trial}


Outcome = tuple[str, list[str], list[dict[str, Any]], list[str]]
"""The result's word, errors, acknowledgements, notes."""
HISTORY = 50


@dataclass(frozen=True)
class Result:
    """How one reload ended: accepted, unchanged, rejected, or rolled_back (a worker did not take it)."""

    result: str
    trigger: str
    version: int
    time: str
    duration_ms: float
    errors: tuple[str, ...] = ()
    workers: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """Where configurations come from, and where the last good one is kept."""

    path: Path
    last_good: Path
    load: Loader
    variables: Mapping[str, str] = field(default_factory=dict)
    endpoints: Endpoints = field(default_factory=dict)
    """As they are now; they change while this instance runs."""
    shape: Callable[[dict[str, Any]], dict[str, Any]] = lambda document: document
    """What becomes of a configuration before it is sent: a version that is tried needs routes to it."""


class Reloader:
    """Owns the current revision."""

    def __init__(
        self, source: Source, channel: Channel, metrics: ControlMetrics, ack_seconds: float = ACK_SECONDS
    ) -> None:
        self.source = source
        self.history: deque[Result] = deque(maxlen=HISTORY)
        self.current: Revision | None = None
        self.good: Revision | None = None
        self._channel = channel
        self._metrics = metrics
        self._ack_seconds = ack_seconds
        self._rollout: Rollout | None = None
        self.override: Override | None = None
        self.kept = KeptTexts()
        self._lock = asyncio.Lock()
        self._save_lock = asyncio.Lock()
        self._saving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Take up the last good configuration, then the file's; a broken file leaves the former in force.

        Raises:
            SpecErrors: the file is broken and there is no last good configuration.
        """
        self.good = self.current = await asyncio.to_thread(self._saved)
        result = await self.reload("start")
        if self.current is None:
            raise RuntimeError("no usable configuration:\n" + "\n".join(result.errors))

    async def stop(self) -> None:
        """Finish what is being saved."""
        await asyncio.gather(*self._saving)

    def _saved(self) -> Revision | None:
        try:
            return read_last_good(self.source.last_good)
        except ValueError as error:
            log.error("the saved configuration cannot be read", extra={"error": str(error)})
            return None

    async def reload(self, trigger: str) -> Result:
        """Read the file and bring it to every worker; `trigger` says who asked (start, file, request)."""
        result = await self._do(trigger, lambda: self._attempt(at_start=trigger == "start"))
        if result.result in ("accepted", "unchanged"):
            await self._remember(result)
        return result

    async def _remember(self, result: Result) -> None:
        """Keep the text that is in force now, to go back to; not what the lab has weakened."""
        override = self.override
        if override is not None and not override.trial:
            return
        try:
            text = override.text if override else await asyncio.to_thread(self.source.path.read_text, "utf-8")
        except (OSError, UnicodeDecodeError) as error:
            log.warning("the text of the configuration was not kept", extra={"error": str(error)})
            return
        self.kept.add(Kept(result.version, result.time, override.why if override else "the file", text))

    async def move(self, trigger: str) -> Result:
        """Bring other endpoints to every worker, with the configuration in force: the file is not read for it."""
        return await self._do(trigger, self._move)

    async def _do(self, trigger: str, attempt: Callable[[], Awaitable[Outcome]]) -> Result:
        async with self._lock:
            began = time.perf_counter()
            outcome, errors, acks, notes = await attempt()
            result = Result(
                result=outcome,
                trigger=trigger,
                version=self.current.version if self.current else 0,
                time=datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                duration_ms=round((time.perf_counter() - began) * 1000, 1),
                errors=tuple(errors),
                workers=tuple(acks),
                notes=tuple(notes),
            )
            self._tell(result)
            return result

    async def _move(self) -> Outcome:
        old = self.current
        if old is None:
            return "rejected", ["no configuration is loaded"], [], []
        try:
            shaped = self.source.shape(old.spec)
        except ValueError as error:
            return "rejected", [str(error)], [], []
        new = Revision(old.version + 1, shaped, dict(self.source.endpoints))
        if new.same_as(old):
            return "unchanged", [], [], []
        errors, acks = await self._roll_out(new)
        return ("rolled_back" if errors else "accepted"), errors, acks, []

    async def replace(self, override: Override | None) -> Result:
        """Let a text stand in for the file, or the file hold again; what is rejected changes nothing."""
        before, self.override = self.override, override
        result = await self.reload("override" if override else "restore")
        if result.result in ("rejected", "rolled_back"):
            self.override = before
        return result

    async def _attempt(self, at_start: bool) -> Outcome:
        try:
            text = self.override.text if self.override else None
            spec = await asyncio.to_thread(self.source.load, self.source.path, self.source.variables, text)
        except SpecErrors as broken:
            return "rejected", describe(broken), [], []
        except OSError as error:
            return "rejected", [f"{self.source.path}: {error.strerror or error}"], [], []
        old = self.current
        try:
            new = Revision.of(old.version + 1 if old else 1, spec, dict(self.source.endpoints), self.source.shape)
        except ValueError as error:
            return "rejected", [str(error)], [], []
        if new.same_as(old):
            return "unchanged", [], [], []
        if old is not None and not at_start and new.sockets() != old.sockets():
            return "rejected", [listener_change(old, new)], [], []
        notes = worker_change(old, new) if old is not None and not at_start else []
        errors, acks = await self._roll_out(new)
        return ("rolled_back" if errors else "accepted"), errors, acks, notes

    async def _roll_out(self, new: Revision) -> tuple[list[str], list[dict[str, Any]]]:
        old, workers = self.current, list(self._channel.workers)
        self.current = new
        self._rollout = Rollout(new, workers)
        self._channel.spread(new.message)
        errors = await self._rollout.wait(self._ack_seconds)
        acks, self._rollout = self._rollout.acks, None
        if errors and old is not None:
            self._go_back(old)
        elif workers:
            await self._keep(new)
        return errors, acks

    def _go_back(self, old: Revision) -> None:
        self.current = old
        self._channel.spread(old.message)

    async def _keep(self, revision: Revision) -> None:
        """Every worker has it: save it, one writer at a time, and never an older one over a newer one."""
        self.good = revision
        async with self._save_lock:
            if self.good is not revision:
                return
            try:
                await asyncio.to_thread(write_last_good, self.source.last_good, revision)
            except OSError as error:
                log.error("the last good configuration could not be saved", extra={"error": str(error)})

    def hello(self, worker: Worker) -> None:
        """Give a worker that has just come what is in force."""
        if self.current is not None:
            worker.send(encode(self.current.message(worker.role)))

    def gone(self, worker: Worker) -> None:
        """A worker has left."""
        if self._rollout is not None:
            self._rollout.gone(worker)

    def ack(self, worker: Worker, ack: Ack) -> None:
        """A worker has answered; outside a roll-out that is a worker that came later."""
        if self._rollout is not None:
            self._rollout.ack(worker, ack)
        elif self.current is not None and ack.version == self.current.version and self.current is not self.good:
            self._late(worker, ack)

    def _late(self, worker: Worker, ack: Ack) -> None:
        """The first answers to a revision that was taken up while no worker was connected."""
        assert self.current is not None
        if not ack.accepted:
            log.error("a worker rejected the configuration", extra={"worker": worker.name, "error": ack.error})
            if self.good is not None:
                self._go_back(self.good)
        elif all(one.version == self.current.version for one in self._channel.workers):
            task = asyncio.get_running_loop().create_task(self._keep(self.current))
            self._saving.add(task)
            task.add_done_callback(self._saving.discard)

    @property
    def settled(self) -> bool:
        """Whether no configuration is on its way to the workers, so that the current one is in force."""
        return self._rollout is None

    def ready(self) -> bool:
        """Whether workers are connected and all of them serve what is in force."""
        workers = self._channel.workers
        version = self.current.version if self.current else None
        return bool(workers) and all(worker.version == version for worker in workers)

    def _tell(self, result: Result) -> None:
        self.history.appendleft(result)
        failed = result.result in ("rejected", "rolled_back")
        log.log(
            logging.ERROR if failed else logging.INFO,
            "configuration %s", result.result,
            extra={"version": result.version, "trigger": result.trigger, "errors": list(result.errors)},
        )  # fmt: skip
        self._metrics.reloads.labels(result.result).inc()
        self._metrics.version.set(result.version)
        self._metrics.success.set(0 if failed else 1)
        if not failed:
            self._metrics.success_time.set(time.time())
