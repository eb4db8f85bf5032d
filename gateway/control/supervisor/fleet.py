"""All processes of an instance together: started at once, awaited together, stopped in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from gateway.control.supervisor import logs, memory
from gateway.control.supervisor.errors import CannotStart
from gateway.control.supervisor.guard import Guard, Life
from gateway.control.supervisor.keeper import Keeper, Report
from gateway.control.supervisor.nursery import Nursery
from gateway.control.supervisor.process import Lifeline, Seedling
from gateway.control.supervisor.program import ProcessPlan

log = logging.getLogger(__name__)
ORDER: tuple[Callable[[ProcessPlan], bool], ...] = (
    lambda plan: plan.kind == "service" and plan.port is None,  # those that only send requests
    lambda plan: plan.kind == "worker",  # drain while everything behind them still answers
    lambda plan: plan.kind == "service",
    lambda plan: plan.kind in ("sidecar", "egress"),  # after those whose last calls pass through them
    lambda plan: plan.kind == "control",
    lambda plan: plan.kind in ("authority", "prometheus"),
    lambda plan: plan.kind == "redis",
)


NOT_CONFINED = "none"
"""Of a process that needs what its user may: nothing was asked of the operating system."""


class UnknownProcess(Exception):
    """No process of that name."""


class Fleet:
    """The keepers of all processes."""

    def __init__(
        self,
        plans: Iterable[ProcessPlan],
        environ: Mapping[str, str],
        report: Report,
        lifeline: Lifeline,
        guard: Guard,
        nurseries: Mapping[str, Nursery] = MappingProxyType({}),
    ) -> None:
        self.guard = guard
        self.nurseries = nurseries
        self._lifeline, self._environ, self._report = lifeline, environ, report
        self.keepers = [self._keeper(plan) for plan in plans]

    def _keeper(self, plan: ProcessPlan) -> Keeper:
        return Keeper(plan, self._lifeline, self._environ, self.guard, self._report, tuple(self.nurseries.values()))

    def follow(self, plans: Iterable[ProcessPlan]) -> None:
        """Other plans: they hold from each process's next start; who has none any more must have been stopped."""
        known = {keeper.plan.name: keeper for keeper in self.keepers}
        self.keepers = []
        for plan in plans:
            keeper = known.get(plan.name)
            if keeper is None:
                keeper = self._keeper(plan)
            keeper.plan = plan
            self.keepers.append(keeper)

    async def start(self, sown: Mapping[str, Seedling] = MappingProxyType({})) -> None:
        """Start everything that starts by itself, all at once: services wait for each other on their own."""
        await self.guard.start()
        for keeper in self.keepers:
            if keeper.plan.autostart:
                keeper.start(sown.get(keeper.plan.name))

    async def take_over(self, lives: Iterable[Life], resting: Collection[str]) -> None:
        """Keep alive what a predecessor had started, leave what somebody had stopped, and start the rest."""
        await self.guard.start()
        running = {life.name: life for life in lives}
        for keeper in self.keepers:
            name = keeper.plan.name
            if name in running:
                keeper.take_over(running[name])
            elif name in resting:
                self.guard.rests(name, True)
            elif keeper.plan.autostart:
                keeper.start()

    async def wait_ready(self, timeout: float, also: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """Return when all are ready, and `also` is.

        Raises:
            CannotStart: too late, or a process keeps ending; with the last lines of its log.
        """
        wanted = [keeper for keeper in self.keepers if keeper.plan.autostart]
        ready = asyncio.create_task(_all_ready(wanted, also))
        trouble = [asyncio.create_task(keeper.wait_hopeless()) for keeper in wanted]
        try:
            await asyncio.wait({ready, *trouble}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                raise CannotStart(await self._why_not_ready(wanted, timeout), exit_code=1)
            ready.result()
        finally:
            for task in (ready, *trouble):
                task.cancel()
            await asyncio.gather(ready, *trouble, return_exceptions=True)

    async def _why_not_ready(self, wanted: Sequence[Keeper], timeout: float) -> str:
        late = [keeper for keeper in wanted if keeper.state != "running"]
        culprit = max(late or wanted, key=lambda keeper: keeper.restarts)
        plan = culprit.plan
        if culprit.restarts:
            reason = f"{plan.name} does not stay up ({culprit.last_exit})"
        else:
            said = await plan.probe() if plan.probe else None
            reason = f"{plan.name} is not ready after {timeout:g} s" + (f" ({said})" if said else "")
        words = logs.tail(plan.log)
        return f"{reason}; the last lines of {plan.log}:\n{words}" if words else f"{reason}; its log is empty"

    async def stop(self) -> None:
        """Stop everything, stage by stage; afterwards nothing is left."""
        rest = list(self.keepers)
        for belongs in ORDER:
            stage = [keeper for keeper in rest if belongs(keeper.plan)]
            rest = [keeper for keeper in rest if keeper not in stage]
            await asyncio.gather(*(keeper.stop() for keeper in stage))
        await self.guard.stop()
        self._lifeline.close()

    def hurry(self) -> None:
        """End everything at once: somebody does not want to wait."""
        for keeper in self.keepers:
            keeper.kill()

    def find(self, name: str) -> list[Keeper]:
        """The process of that name; `gateway` is all workers, a service all its copies, `orders-1` the first of them.

        Raises:
            UnknownProcess: there is none; the text lists those there are.
        """
        found = [keeper for keeper in self.keepers if keeper.plan.service == name]
        found = found or [keeper for keeper in self.keepers if keeper.plan.name == name]
        if not found and name.endswith("-1"):
            found = [one for one in self.keepers if one.plan.kind == "service" and one.plan.name == name[:-2]]
        if not found and name == "gateway":
            found = [keeper for keeper in self.keepers if keeper.plan.kind == "worker"]
        if not found:
            names = ", ".join(keeper.plan.name for keeper in self.keepers)
            raise UnknownProcess(f"no process {name!r}; there are: {names}")
        return found

    def named(self, *names: str) -> list[Keeper]:
        """Those of them that there are, in this order."""
        known = {keeper.plan.name: keeper for keeper in self.keepers}
        return [known[name] for name in names if name in known]

    def memory(self) -> list[int | None]:
        """Of all children that run now: their proportional share in bytes, where it is told."""
        sizes = [memory.proportional(keeper.pid, keeper.memory_fd) for keeper in self.keepers if keeper.pid]
        return [*sizes, *(memory.proportional(pid) for pid in self.helpers().values())]

    def pids(self) -> list[int]:
        """Of all children that run now."""
        children = [keeper.pid for keeper in self.keepers]
        return [pid for pid in (*children, *self.helpers().values()) if pid]

    def helpers(self) -> dict[str, int]:
        """The processes that help us with the others, by name."""
        found = {"guard": self.guard.pid, **{name: one.pid for name, one in self.nurseries.items()}}
        return {name: pid for name, pid in found.items() if pid}

    def rotate_logs(self) -> None:
        """Bound the logs of running processes."""
        for keeper in self.keepers:
            if logs.rotate(keeper.plan.log):
                log.info("log rotated", extra={"file": str(keeper.plan.log)})

    def describe(self) -> list[dict[str, Any]]:
        """One row per process, for `ps`."""
        return [_row(keeper) for keeper in self.keepers]


async def _all_ready(keepers: Iterable[Keeper], also: Callable[[], Coroutine[Any, Any, None]] | None) -> None:
    async with asyncio.TaskGroup() as group:
        for keeper in keepers:
            group.create_task(keeper.wait_ready())
        if also:
            group.create_task(also())


def _row(keeper: Keeper) -> dict[str, Any]:
    plan, pid = keeper.plan, keeper.pid
    return {
        "name": plan.name,
        "kind": plan.kind,
        "pid": pid,
        "state": keeper.state,
        "restarts": keeper.restarts,
        "last_exit": keeper.last_exit,
        "uptime_s": round(keeper.uptime, 1),
        "rss_bytes": memory.resident(pid) if pid else None,
        "pss_bytes": memory.proportional(pid, keeper.memory_fd) if pid else None,
        "isolation": keeper.isolation or (None if plan.rules else NOT_CONFINED),
        "port": plan.port,
        "service": plan.service or None,
        "version": plan.version or None,
        "log": str(plan.log),
    }
