"""One instance from its start to its end.

    prepare ─▶ start everything ─▶ ready ─▶ (keep alive, answer questions) ─▶ stop in order
       │                │                       ▲                                ▲
       └── CannotStart ─┴── not ready in time ──┼────────────────────────────────┘
                                                │
                    resume what a killed predecessor had started (handover.py)

Whatever is taken (lock, sockets, processes, files) goes on one exit stack and is given back in reverse, on
every way out.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from gateway.control.supervisor import handover, logs, memory
from gateway.control.supervisor.architecture import architecture_of
from gateway.control.supervisor.copies import MOST
from gateway.control.supervisor.deploying import Deployer
from gateway.control.supervisor.errors import CannotStart
from gateway.control.supervisor.events import Events
from gateway.control.supervisor.fleet import NOT_CONFINED, Fleet, UnknownProcess
from gateway.control.supervisor.guard import Guard, Life
from gateway.control.supervisor.guard_program import send
from gateway.control.supervisor.handover import Handover
from gateway.control.supervisor.limits import limit_resources
from gateway.control.supervisor.manifest import Manifest
from gateway.control.supervisor.mesh_plan import root_program
from gateway.control.supervisor.mesh_site import MeshSite, adopt_intermediate, fresh_intermediate
from gateway.control.supervisor.nursery import PRELOADED, READ_SPEC, Nursery
from gateway.control.supervisor.options import Options
from gateway.control.supervisor.peers import write_peers
from gateway.control.supervisor.plan import LOOPBACK, Site, control_program, make_plan
from gateway.control.supervisor.preparation import Prepared, prepare, without_credentials
from gateway.control.supervisor.process import Lifeline, Seedling, reduced_environment, sow
from gateway.control.supervisor.readiness import HttpProbe, until_ready
from gateway.control.supervisor.scraping import write_scraping, write_targets
from gateway.control.supervisor.socket_api import Refused, SocketApi
from gateway.control.supervisor.state_dir import StateDir, write_private
from gateway.control.supervisor.stop_request import StopRequest

READY_WITHIN = 60.0
_SECRETS = {"admin_secret", "authority_secret"}
ROTATE_EVERY = 30.0
log = logging.getLogger(__name__)


class Succession(NamedTuple):
    """How a supervisor begins that takes over: what was left, who runs, what was stopped, and whom to tell."""

    left: Handover
    lives: Sequence[Life]
    resting: Sequence[str]
    told_fd: int


class Supervisor:
    """Runs one instance."""

    def __init__(self, options: Options, events: Events, stop: StopRequest, takeovers: int = 0) -> None:
        self._options, self._events, self._stop = options, events, stop
        self._takeovers = takeovers
        self._begun = time.monotonic()
        self._began_at = options.started or time.time()
        self._stack = AsyncExitStack()
        self._changing = asyncio.Lock()
        self._shop: Handover
        self._fleet: Fleet | None = None
        self._nurseries: dict[str, Nursery] = {}
        self._rotation: asyncio.Task[None] | None = None
        self._settling: asyncio.Task[None] | None = None
        self._deployer = Deployer(self)
        self._api: SocketApi | None = None

    async def up(self) -> None:
        """Start everything and return when it is ready.

        Raises:
            CannotStart: what is wrong; `down` gives back what was taken until then.
        """
        self._events.tell("checking")
        lifeline = Lifeline()
        sown: dict[str, Seedling] = {}

        async def sow_control(state: StateDir, manifest: Manifest, mesh: MeshSite | None) -> list[Nursery]:
            """Its libraries, and the nurseries', take as long to load as the configuration takes to be read."""
            if sys.platform == "linux":
                await self._open_nurseries(state, manifest)
            program = control_program(self._options, state, mesh)
            sown[program.name] = seedling = await sow(program, lifeline, reduced_environment(os.environ))
            self._stack.push_async_callback(seedling.give_up)
            return list(self._nurseries.values())

        prepared = await prepare(self._options, os.environ, self._stack, sow_control)
        for note in prepared.notes:
            self._events.tell("note", text=note)
        limit_resources()
        fleet = await self._open(Handover(prepared, lifeline))
        self._events.tell("starting", processes=[plan.name for plan in prepared.plans if plan.autostart])
        await fleet.start(sown)
        await fleet.wait_ready(READY_WITHIN, also=self._gateway_ready(prepared))
        self._announce(prepared, ready_seconds=round(time.time() - self._began_at, 2))

    async def _open_nurseries(self, state: StateDir, manifest: Manifest) -> None:
        """One for the data plane, one for what the services share."""
        wanted: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
        if architecture_of(self._options).gateway:
            wanted["nursery"] = (("gateway.roles", READ_SPEC), (PRELOADED,))
        if manifest.preload:
            wanted["nursery-services"] = ((manifest.preload[0].partition(".")[0],), manifest.preload)
        for name, (modules, preload) in wanted.items():
            environ = reduced_environment(os.environ)
            one = await Nursery.start(modules, preload, state.root, state.log(name), environ)
            self._nurseries[name] = one
            self._stack.push_async_callback(one.close)

    async def take_over(self, left: Handover, lives: Sequence[Life], resting: Sequence[str], told_fd: int) -> None:
        """Go on with what a killed predecessor had started; what it had not, is started now.

        Raises:
            CannotStart: supervisors are killed again and again.
        """
        handover.resume(left, self._stack)
        left = left.again(time.monotonic())
        limit_resources()
        fleet = await self._open(left)
        await fleet.take_over(lives, resting)
        self._settling = asyncio.create_task(self._settle(), name="settle")
        self._stack.callback(self._settling.cancel)
        handover.say_taken_over(told_fd)
        log.warning("took over from a killed supervisor", extra={"processes": [life.name for life in lives]})
        self._announce(left.prepared, ready_seconds=_ready_seconds(left.prepared.site.state.instance))
        self._events.tell("took_over", pid=os.getpid(), processes=len(lives))

    async def _settle(self) -> None:
        """What a predecessor had begun comes to its end."""
        async with self._changing:
            await self._deployer.settle()

    async def down(self) -> None:
        """Stop everything; afterwards no process, port or socket is left."""
        await self._stack.aclose()

    async def _open(self, shop: Handover) -> Fleet:
        """The fleet, and the ways to ask us."""
        self._shop = shop
        prepared = shop.prepared
        state = prepared.site.state
        write_peers(prepared.site)
        write_scraping(prepared.site)
        guard = Guard(lambda: self._shop.successor(self._events.fd))
        environ = reduced_environment(os.environ)
        fleet = self._fleet = Fleet(prepared.plans, environ, self._events.tell, shop.lifeline, guard, self._nurseries)
        self._stop.when_repeated = fleet.hurry
        self._stack.callback(state.control_socket.unlink, missing_ok=True)
        self._stack.push_async_callback(fleet.stop)
        api = self._api = SocketApi(state.supervisor_socket, self.answer, prepared.site.admin_secret)
        await api.start()
        self._stack.callback(api.close)
        self._rotation = asyncio.create_task(self._rotate(prepared), name="log rotation")
        self._stack.callback(self._rotation.cancel)
        return fleet

    def _gateway_ready(self, prepared: Prepared) -> Callable[[], Coroutine[Any, Any, None]]:
        """Every worker has accepted a configuration: only control knows."""
        probe = HttpProbe(LOOPBACK, prepared.site.ports["admin"], "/readyz")
        return lambda: until_ready(probe)

    def _announce(self, prepared: Prepared, ready_seconds: float | None) -> None:
        """Write instance.json: from now on commands find us."""
        site = prepared.site
        document = {
            "supervisor_pid": os.getpid(),
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._began_at)),
            "architecture": architecture_of(site.options).name,
            "config": str(site.config),
            "admin_url": f"http://{LOOPBACK}:{site.ports['admin']}",
            "admin_secret": site.admin_secret,
            "supervisor_socket": str(site.state.supervisor_socket),
            "control_socket": str(site.state.control_socket),
            "public_url": site.public_url,
            "collector_url": f"http://{LOOPBACK}:{site.ports['collector']}",
            "spans_to": without_credentials(site.otlp["endpoint"]),
            "ports": dict(prepared.ports),
            **_mesh_facts(site),
            "ready_seconds": ready_seconds,
            "pss_mib": memory.total_mib([memory.proportional(os.getpid()), *self._fleet_of().memory()]),
        }
        self._stack.callback(site.state.instance.unlink, missing_ok=True)
        write_private(site.state.instance, document)
        log.info("ready", extra={"ready_seconds": document["ready_seconds"], "pss_mib": document["pss_mib"]})
        public = {name: value for name, value in document.items() if name not in _SECRETS}
        self._events.tell("up", instance=public)

    async def _rotate(self, prepared: Prepared) -> None:
        while True:
            await asyncio.sleep(ROTATE_EVERY)
            self._fleet_of().rotate_logs()
            logs.rotate(prepared.site.state.log("supervisor"))
            await self._renew_intermediate()

    async def _renew_intermediate(self) -> None:
        """An instance may run for longer than an intermediate is good."""
        mesh = self._shop.prepared.site.mesh
        if mesh is None or not mesh.is_due(time.time()):
            return
        try:
            async with self._changing:
                await self._change_intermediate(rotate=False)
        except Refused as refused:
            log.error("no other intermediate: %s; tried again soon", refused)
        else:
            log.info("the authority signs with another intermediate")

    def _fleet_of(self) -> Fleet:
        if self._fleet is None:
            raise Refused("nothing is started yet")
        return self._fleet

    async def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """What supervisor.sock is asked.

        Raises:
            Refused: an unknown question or process, or a process that does not become ready.
        """
        match question:
            case {"do": "ps"}:
                name = {"architecture": architecture_of(self._options).name}
                rows = [row | name for row in self._fleet_of().describe() + self._ourselves()]
                return {**name, "processes": rows, "strangers": self._api.strangers if self._api else 0}
            case {"do": "versions"}:
                return {"services": self._deployer.versions(), "most": MOST}
            case {"do": "down"}:
                self._stop.set()
                return {"ok": True, "pid": os.getpid()}
            case {"do": "stop" | "start" | "restart" as action, "name": str(name)}:
                async with self._changing:
                    return await self._change(action, name)
            case {"do": "crash", "name": str(name)}:
                return self._crash(name)
            case {"do": "reconfigure", "name": str(name), "settings": dict(settings)}:
                async with self._changing:
                    await self._replan(name, settings)
                    return await self._change("restart", name)
            case {"do": "forget", "names": [*names]}:
                async with self._changing:
                    return await self._forget([str(name) for name in names])
            case {"do": "rotate-root"}:
                async with self._changing:
                    return await self._change_intermediate(rotate=True)
            case {"do": "scale" | "deploy" | "promote" | "rollback" | "canary-failed", "name": str(name)}:
                async with self._changing:
                    return await self._deploy(question, name)
        known = "stop, start, restart, crash, reconfigure, scale, deploy, promote, rollback"
        raise Refused(f"ask ps, versions, down, rotate-root; {known} with a name; forget with names")

    async def _deploy(self, question: dict[str, Any], name: str) -> dict[str, Any]:
        """One service changes."""
        match question:
            case {"do": "scale", "copies": int(copies)}:
                return await self._deployer.scale(name, copies)
            case {"do": "deploy", "version": str(version)}:
                told = {key: question[key] for key in ("module", "path") if question.get(key)}
                return await self._deployer.deploy(name, version, told, question.get("canary"))
            case {"do": "promote"}:
                return await self._deployer.promote(name, question.get("version"))
            case {"do": "rollback"}:
                return await self._deployer.roll_back(name)
            case {"do": "canary-failed", "version": str(version)}:
                return await self._deployer.canary_failed(name, version, str(question.get("why", "")))
        raise Refused("scale needs copies, a number; deploy a version")

    @property
    def site(self) -> Site:
        """The instance as it is now."""
        return self._shop.prepared.site

    @property
    def fleet(self) -> Fleet:
        """Its processes."""
        return self._fleet_of()

    @property
    def stack(self) -> AsyncExitStack:
        """Gives back at the end what is taken."""
        return self._stack

    async def adopt(self, site: Site) -> None:
        """From now on the instance is like that: for whatever starts, and for a successor."""
        prepared = self._shop.prepared
        redis = tuple(plan for plan in prepared.plans if plan.kind == "redis")
        plans = (*redis, *make_plan(site))
        self._fleet_of().follow(plans)
        write_targets(site)
        self._shop = replace(self._shop, prepared=replace(prepared, site=site, plans=plans))
        await self._fleet_of().guard.renew()

    async def _change_intermediate(self, *, rotate: bool) -> dict[str, Any]:
        """Another intermediate for the mesh, of a new root if `rotate`; what starts from now on believes that."""
        site = self._shop.prepared.site
        if site.mesh is None:
            raise Refused("this instance runs without a mesh")
        try:
            intermediate = await fresh_intermediate(
                root_program(str(site.state.mesh), rotate=rotate), reduced_environment(os.environ)
            )
            await adopt_intermediate(site.state.authority_socket, site.mesh.admin_secret, intermediate)
        except (CannotStart, OSError, ValueError) as error:
            raise Refused(f"the authority goes on as before: {error}") from None
        await self.adopt(replace(site, mesh=replace(site.mesh, intermediate=intermediate, made=time.time())))
        return {"ok": True}

    async def _replan(self, name: str, settings: Mapping[str, Any]) -> None:
        """Other settings for the next start of a process, or of all copies of a service."""
        if name not in {one for plan in self._shop.prepared.plans for one in (plan.name, plan.service)}:
            raise Refused(f"no process {name!r}")
        changed = self.site.changed
        await self.adopt(replace(self.site, changed={**changed, name: {**changed.get(name, {}), **settings}}))

    async def _forget(self, names: Sequence[str]) -> dict[str, Any]:
        """Let services, or Redis, begin again without their data."""
        state, keepers = self._shop.prepared.site.state, [self._fleet_of().find(name) for name in names]
        chosen = [keeper for found in keepers for keeper in found if keeper.plan.kind in ("service", "redis")]
        await asyncio.gather(*(keeper.stop() for keeper in chosen))
        for keeper in chosen:
            redis = keeper.plan.kind == "redis"
            folder = state.redis / "appendonlydir" if redis else state.data(keeper.plan.service)
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        write_peers(self.site)
        await self._deployer.places.started(*chosen)
        return {"ok": True}

    def _crash(self, name: str) -> dict[str, Any]:
        """SIGKILL, as if it had died by itself: its keeper starts it again."""
        try:
            killed = [keeper.pid for keeper in self._fleet_of().find(name) if keeper.pid]
        except UnknownProcess as unknown:
            raise Refused(str(unknown)) from None
        log.warning("killing %s, as asked", name, extra={"pids": killed})
        for pid in killed:
            send(pid, signal.SIGKILL)
        return {"ok": True, "killed": killed}

    async def _change(self, action: str, name: str) -> dict[str, Any]:
        try:
            keepers = self._fleet_of().find(name)
        except UnknownProcess as unknown:
            raise Refused(str(unknown)) from None
        log.info("%s %s, as asked", action, name)
        await self._deployer.change(action, keepers)
        return {"ok": True, "state": keepers[-1].state}

    def _ourselves(self) -> list[dict[str, Any]]:
        helpers = self._fleet_of().helpers()
        rows = [("supervisor", os.getpid(), self._takeovers), *((name, pid, 0) for name, pid in helpers.items())]
        return [
            {
                "name": name,
                "kind": "supervisor",
                "pid": pid,
                "state": "running",
                "restarts": restarts,
                "uptime_s": round(time.monotonic() - self._begun, 1),
                "rss_bytes": memory.resident(pid),
                "pss_bytes": memory.proportional(pid),
                "isolation": NOT_CONFINED,
                "port": None,
                "log": f"{self._options.state_dir}/logs/supervisor.log",
            }
            for name, pid, restarts in rows
        ]


def _mesh_facts(site: Site) -> dict[str, str]:
    """How the command line reaches the authority, where there is one."""
    if site.mesh is None:
        return {}
    return {"authority_socket": str(site.state.authority_socket), "authority_secret": site.mesh.admin_secret}


def _ready_seconds(instance: Path) -> float | None:
    """What the predecessor had written down, if it had come so far."""
    try:
        seconds = json.loads(instance.read_text())["ready_seconds"]
    except (OSError, ValueError, KeyError):
        return None
    return float(seconds)


async def run(options: Options, succession: Succession | None = None) -> int:
    """Run an instance until it is told to stop; the exit code (0, or that of CannotStart)."""
    os.umask(0o077)
    events = Events(options.events_fd)
    if options.events_fd is not None:  # who reads events hears of errors there; no second copy on the terminal
        logging.getLogger().addHandler(logging.NullHandler())
    stop = StopRequest(options.foreground_fd)
    # The events' pipe is closed by our end, not before it: who follows them may then count on our being gone.
    if succession is None:
        supervisor = Supervisor(options, events, stop)
        return await _until_stopped(supervisor, supervisor.up(), options, events, stop)
    supervisor = Supervisor(options, events, stop, takeovers=len(succession.left.taken_over) + 1)
    return await _until_stopped(supervisor, supervisor.take_over(*succession), options, events, stop)


async def _until_stopped(
    supervisor: Supervisor, begin: Coroutine[Any, Any, None], options: Options, events: Events, stop: StopRequest
) -> int:
    starting = asyncio.create_task(begin, name="begin")
    asked = asyncio.create_task(stop.wait(), name="stop")
    failure: CannotStart | None = None
    try:
        await asyncio.wait({starting, asked}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            if options.foreground_fd is None:
                events.close()  # detached: nobody reads on
            await asked
    except CannotStart as error:
        log.error("cannot start: %s", error)
        failure = error
    except Exception as error:  # a fault of ours must not leave processes behind either
        log.exception("internal error")
        failure = CannotStart(f"internal error of the supervisor: {error!r}; see its log", exit_code=1)
    for task in (starting, asked):
        task.cancel()
    await asyncio.gather(starting, asked, return_exceptions=True)
    events.tell("stopping")
    await supervisor.down()
    if failure:
        events.tell("failed", reason=str(failure), exit_code=failure.exit_code)
        return failure.exit_code
    log.info("stopped")
    events.tell("stopped")
    return 0
