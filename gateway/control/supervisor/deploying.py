"""Changing one service while it serves: more copies, fewer, another version; the others do not notice.

The problem: a change takes several steps, and a request that meets one of them half done fails. The rule: a new copy
gets requests when it is ready, and one that goes is first left out by everybody who sends requests, waits until the
last of them is answered, and only then is told to stop. At no moment are there fewer copies than were wanted.

Every change states what is wanted and then takes the steps that lead there (`_converge`). When one fails, what was
wanted before is wanted again, and the same steps lead back. A successor of a killed supervisor takes them, too.

    wanted: 2 × v2     orders v1, orders-2 v1                      what there is
                       orders v1, orders-2 v1, orders-3 v2         one more, so that two always serve
                       orders v2, orders-2 v1, orders-3 v2         each: left out, empty, exchanged, in again
                       orders v2, orders-2 v2, orders-3 v2
                       orders v2, orders-2 v2                      the one more goes
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from gateway.control.supervisor import ports
from gateway.control.supervisor.architecture import architecture_of
from gateway.control.supervisor.control_client import ControlClient, NoControl
from gateway.control.supervisor.copies import MOST, Canary, Copies, Copy, Wanted
from gateway.control.supervisor.fleet import Fleet
from gateway.control.supervisor.keeper import Keeper
from gateway.control.supervisor.manifest import ServiceEntry, parse_version
from gateway.control.supervisor.mesh_plan import inbound_at, sidecar_name
from gateway.control.supervisor.mesh_site import bind_sidecar
from gateway.control.supervisor.peers import PEER_SECONDS, write_peers
from gateway.control.supervisor.plan import Site, copy_at, placement
from gateway.control.supervisor.socket_api import Refused

READY_WITHIN = 12.0
"""Seconds in which a new copy must become ready."""
LOOK_AGAIN = 0.02
log = logging.getLogger(__name__)


class Instance(Protocol):
    """What is changed."""

    @property
    def site(self) -> Site:
        """As it is now."""

    @property
    def fleet(self) -> Fleet:
        """Its processes."""

    @property
    def stack(self) -> AsyncExitStack:
        """Gives back at the end what is taken."""

    async def adopt(self, site: Site) -> None:
        """From now on it is like that: for whatever starts, and for a successor."""


class Deployer:
    """Changes services of one instance, one change at a time."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    # -- what can be asked for -------------------------------------------------------------------------------

    async def scale(self, service: str, copies: int) -> dict[str, Any]:
        """So many copies.

        Raises:
            Refused: it cannot be; everything is as before.
        """
        wanted = self._changeable(service)
        if not 1 <= copies <= MOST:
            raise Refused(f"a service has 1 to {MOST} copies")
        return await self._reach(service, replace(wanted, copies=copies))

    async def deploy(
        self, service: str, version: str, told: dict[str, Any], canary: dict[str, Any] | None
    ) -> dict[str, Any]:
        """Another version, for all requests or, as a canary, for a share of them.

        `told` are module and path of a version that is not in the manifest.

        Raises:
            Refused: there is no such version, or it does not become ready: everything is as before.
        """
        wanted = self._changeable(service)
        if version == wanted.version:
            raise Refused(f"{service} is at {version} already; `gatehouse restart {service}` loads its code anew")
        await self._know(service, version, told)
        if canary is None:
            return await self._reach(service, Wanted(version, wanted.copies, wanted.version))
        weight, rollback = canary.get("weight"), canary.get("rollback", {})
        if not isinstance(weight, int) or not 0 <= weight <= 100 or not isinstance(rollback, dict):
            raise Refused("the share of a canary is a whole number of percent, 0 to 100")
        return await self._reach(service, replace(wanted, canary=Canary(version, weight, rollback)))

    async def promote(self, service: str, version: str | None = None) -> dict[str, Any]:
        """The canary is the version now.

        Raises:
            Refused: there is no canary, or its further copies do not become ready.
        """
        wanted = self._wanted(service)
        if wanted.canary is None or version not in (None, wanted.canary.version):
            raise Refused(f"{service} has no canary")
        return await self._reach(service, Wanted(wanted.canary.version, wanted.copies, wanted.version))

    async def roll_back(self, service: str) -> dict[str, Any]:
        """Without its canary; or, where there is none, the version before this one again.

        Raises:
            Refused: there is neither, or the former version does not become ready.
        """
        wanted = self._wanted(service)
        if wanted.canary is not None:
            return await self._reach(service, replace(wanted, canary=None))
        if wanted.former is None:
            raise Refused(f"{service} has had no version but {wanted.version}")
        return await self._reach(service, Wanted(wanted.former, wanted.copies, wanted.version))

    async def canary_failed(self, service: str, version: str, why: str) -> dict[str, Any]:
        """Control has judged."""
        wanted = self._wanted(service)
        if wanted.canary is None or wanted.canary.version != version:
            return self._told(service)
        log.warning("the canary is taken back", extra={"service": service, "version": version, "why": why})
        return await self._reach(service, replace(wanted, canary=None))

    async def change(self, action: str, keepers: Iterable[Keeper]) -> None:
        """Stop, start or restart processes, one after the other; a copy that others can stand in for is emptied first.

        Raises:
            Refused: one does not become ready.
        """
        for keeper in keepers:
            copy = self._copy_of(keeper)
            if action in ("stop", "restart"):
                if copy is not None and self._others_serve(copy):
                    await self._withdraw(copy, "held" if action == "stop" else "out")
                await keeper.stop()
            if action in ("start", "restart"):
                await self.started(keeper)
                if copy is not None:
                    await self._bring_in(self._copy_of(keeper) or copy)

    async def settle(self) -> None:
        """After a kill: what was begun comes to its end."""
        for service in self._site.copies.there:
            try:
                await self.started(*self._fleet.named("control"))
                await self._announce()
                await self._settle(service)
            except Refused as refused:
                log.error("a change was left half done", extra={"service": service, "why": str(refused)})

    async def _settle(self, service: str) -> None:
        wanted = self._wanted(service)
        try:
            await self._converge(service)
        except Refused as refused:
            if wanted.canary is not None:
                before = replace(wanted, canary=None)
            elif wanted.former is not None:
                before = Wanted(wanted.former, wanted.copies)
            else:
                raise
            log.error("going back", extra={"service": service, "why": str(refused)})
            await self._want(service, before)
            await self._converge(service)

    # -- from what there is to what is wanted ----------------------------------------------------------------

    async def _reach(self, service: str, wanted: Wanted) -> dict[str, Any]:
        before = self._wanted(service)
        log.info("changing %s", service, extra={"wanted": repr(wanted), "before": repr(before)})
        await self._want(service, wanted)
        try:
            await self._converge(service)
        except Refused as refused:
            await self._want(service, before)
            try:
                await self._converge(service)
            except Refused as again:
                raise Refused(f"{refused}\nGoing back failed, too: {again}") from None
            raise Refused(f"{refused}\nEverything is as before.") from None
        return self._told(service)

    async def _converge(self, service: str) -> None:
        """The steps that lead from what there is to what is wanted.

        Raises:
            Refused: one of them fails; those before it stay done.
        """
        wanted = self._wanted(service)
        numbers, canaries = range(1, wanted.copies + 1), wanted.canary_numbers
        await self._take_up_promoted(service, wanted)
        there = {copy.number: copy for copy in self._copies(service)}
        outdated = [n for n in numbers if n in there and there[n].version != wanted.version]
        fresh = [one for one in there.values() if one.version == wanted.version and one.place == "in"]
        if outdated and not fresh:
            await self._add(service, wanted.copies + 1, wanted.version)
        for number in numbers:
            copy = there.get(number)
            if copy is None:
                await self._add(service, number, wanted.version)
            elif copy.version != wanted.version:
                await self._exchange(copy, wanted.version)
            elif copy.place == "out":
                await self.started(*self._keepers(copy))
                await self._bring_in(copy)
        for number in canaries:
            assert wanted.canary is not None
            copy = there.get(number)
            if copy is not None and (copy.version, copy.canary) != (wanted.canary.version, True):
                await self._remove(copy)
                copy = None
            if copy is None or copy.place == "out":
                await self._add(service, number, wanted.canary.version, canary=True)
        for copy in reversed(self._copies(service)):
            if copy.number not in numbers and copy.number not in canaries:
                await self._remove(copy)

    async def _take_up_promoted(self, service: str, wanted: Wanted) -> None:
        """Copies of a canary that is the version now get requests like any other."""
        for copy in self._copies(service):
            if copy.canary and copy.version == wanted.version and copy.number not in wanted.canary_numbers:
                await self._as(copy, canary=False)
                await self._announce()

    async def _add(self, service: str, number: int, version: str, *, canary: bool = False) -> None:
        known = {copy.number: copy for copy in self._copies(service)}.get(number)
        if known is None:
            copy = Copy(service, number, version, self._free_port(service, number), "out", canary)
            await self._adopt_copies(service, (*self._copies(service), copy))
        else:
            copy = await self._as(known, version=version, canary=canary)
        try:
            await self.started(*self._keepers(copy))
            await self._bring_in(copy)
        except Refused:
            await self._remove(self._current(copy))
            raise

    async def _exchange(self, copy: Copy, version: str) -> None:
        """The same copy with another version."""
        copy = await self._withdraw(copy, "out")
        (keeper,) = self._fleet.named(copy.name)
        await keeper.stop()
        copy = await self._as(copy, version=version)
        await self.started(*self._keepers(copy))
        await self._bring_in(copy)

    async def _remove(self, copy: Copy) -> None:
        copy = await self._withdraw(copy, "out")
        for keeper in self._keepers(copy):
            await keeper.stop()
        await self._adopt_copies(copy.service, tuple(one for one in self._copies(copy.service) if one != copy))
        await self._announce()

    async def _bring_in(self, copy: Copy) -> None:
        if copy.place == "in":
            return
        await self._as(copy, place="in")
        try:
            await self._announce()
        except Refused:
            await self._as(self._current(copy), place=copy.place)
            raise

    async def _withdraw(self, copy: Copy, place: Any) -> Copy:
        """No request comes to it any more, and none is there; returns it as it is then."""
        if copy.place != "in":
            return await self._as(copy, place=place) if copy.place != place else copy
        out = await self._as(copy, place=place)
        try:
            await self._announce()
        except Refused:
            await self._as(out, place="in")
            raise
        await self._emptied(copy)
        return out

    async def _emptied(self, copy: Copy) -> None:
        """Wait until nobody has a request there; not longer than the gateway itself may take to drain."""
        site, left = self._site, 0
        address = copy_at(site, copy)
        if site.mesh is not None and self._in_mesh(copy.service):
            address = inbound_at(site, site.mesh, copy)
        end = time.monotonic() + site.drain_timeout
        while time.monotonic() < end:
            try:
                left = await self._control.leaving(address)
            except NoControl as away:
                raise Refused(str(away)) from None
            if not left:
                break
            await asyncio.sleep(LOOK_AGAIN)
        else:
            log.warning("requests are cut off after the drain time", extra={"copy": copy.name, "requests": left})
        if any(copy.service in entry.peers for entry in site.manifest.services) and site.mesh is None:
            await asyncio.sleep(PEER_SECONDS)  # services that call it by themselves acknowledge nothing

    # -- the parts -------------------------------------------------------------------------------------------

    @property
    def _site(self) -> Site:
        return self._instance.site

    @property
    def _fleet(self) -> Fleet:
        return self._instance.fleet

    @property
    def _control(self) -> ControlClient:
        return ControlClient(self._site.ports["admin"], self._site.admin_secret)

    def _entry(self, service: str) -> ServiceEntry:
        try:
            entry = self._site.entry(service)
        except KeyError:
            names = ", ".join(one.name for one in self._site.manifest.services if one.port)
            raise Refused(f"no service {service!r}; there are: {names or 'none'}") from None
        if not architecture_of(self._site.options).gateway:
            raise Refused("nobody in front shares requests among copies: this instance runs without a gateway")
        if not entry.port:
            raise Refused(f"{service} serves nothing, so there is nothing to share among copies")
        return entry

    def _wanted(self, service: str) -> Wanted:
        return self._site.copies.wanted(self._entry(service))

    def _changeable(self, service: str) -> Wanted:
        wanted = self._wanted(service)
        if wanted.canary is not None:
            version = wanted.canary.version
            raise Refused(
                f"{service} has a canary, {version}: `gatehouse promote {service}` or `rollback {service}` first"
            )
        resting = [
            one.plan.name for copy in self._copies(service) for one in self._keepers(copy) if one.state == "stopped"
        ]
        if resting:
            raise Refused(f"{', '.join(resting)} is stopped: `gatehouse start {resting[0]}` first")
        return wanted

    async def _know(self, service: str, version: str, told: dict[str, Any]) -> None:
        """Make sure that there is such a version, and that it is what was meant."""
        entry, copies = self._entry(service), self._site.copies
        known = copies.version(entry, version)
        if not told:
            if known is None:
                names = ", ".join({**entry.versions, **copies.versions.get(service, {})})
                raise Refused(f"{service} has no version {version!r}; there are: {names}; or name --path or --module")
            return
        try:
            new = parse_version(service, version, told)
        except ValueError as error:
            raise Refused(str(error)) from None
        if new.path and not await asyncio.to_thread(Path(new.path).is_dir):
            raise Refused(f"{new.path} is no folder")
        if version in entry.versions and new != entry.versions[version]:
            raise Refused(f"the manifest says what {version} of {service} is: choose another name")
        await self._instance.adopt(replace(self._site, copies=copies.with_version(service, new)))

    def _copies(self, service: str) -> tuple[Copy, ...]:
        return self._site.copies_of(service)

    def _current(self, copy: Copy) -> Copy:
        return next(one for one in self._copies(copy.service) if one.number == copy.number)

    def _in_mesh(self, service: str) -> bool:
        return self._site.mesh is not None and service in self._site.mesh.peers

    def _keepers(self, copy: Copy) -> list[Keeper]:
        """Its process, and before it its sidecar."""
        return self._fleet.named(sidecar_name(copy.name), copy.name)

    def _copy_of(self, keeper: Keeper) -> Copy | None:
        service = keeper.plan.service
        found = (one for one in self._copies(service) if one.name == keeper.plan.name) if service else ()
        return next(iter(found), None)

    def _others_serve(self, copy: Copy) -> bool:
        others = [one for one in self._copies(copy.service) if one.number != copy.number and one.place == "in"]
        return any(keeper.state == "running" for one in others for keeper in self._fleet.named(one.name))

    async def started(self, *keepers: Keeper) -> None:
        """Start them at once, and wait until they are ready.

        Raises:
            Refused: one of them is not, in time.
        """
        for keeper in keepers:
            keeper.start()
        for keeper in keepers:
            name, file = keeper.plan.name, keeper.plan.log
            try:
                async with asyncio.timeout(READY_WITHIN):
                    ready = await keeper.ready_or_hopeless()
            except TimeoutError:
                said = await keeper.plan.probe() if keeper.plan.probe else None
                why = f" ({said})" if said else ""
                raise Refused(
                    f"{name} was started and is not ready after {READY_WITHIN:g} s{why}; see {file}"
                ) from None
            if not ready:
                raise Refused(f"{name} does not stay up ({keeper.last_exit}); see {file}")

    def _free_port(self, service: str, number: int) -> int:
        port = self._site.copy_port(service, number)
        if port is None:
            raise Refused(f"the block of ports has none for {number} copies of {service}; start without --port-base")
        if not ports.is_free(port):
            raise Refused(f"port {port}, which {service}'s copy {number} would have, is in use{ports.holder(port)}")
        return port

    async def _want(self, service: str, wanted: Wanted) -> None:
        await self._adopt(self._site.copies.with_wanted(service, wanted))

    async def _as(self, copy: Copy, **changes: Any) -> Copy:
        changed = replace(copy, **changes)
        others = (one for one in self._copies(copy.service) if one.number != copy.number)
        await self._adopt_copies(copy.service, (*others, changed))
        return changed

    async def _adopt_copies(self, service: str, copies: tuple[Copy, ...]) -> None:
        site = self._site
        if site.mesh is not None and self._in_mesh(service):
            unbound = [copy.name for copy in copies if copy.name not in site.mesh.sidecars]
            bound = {name: bind_sidecar(site.mesh.peers[service], self._instance.stack) for name in unbound}
            site = replace(site, mesh=replace(site.mesh, sidecars={**site.mesh.sidecars, **bound}))
        await self._instance.adopt(replace(site, copies=site.copies.with_copies(service, copies)))

    async def _adopt(self, copies: Copies) -> None:
        await self._instance.adopt(replace(self._site, copies=copies))

    async def _announce(self) -> None:
        """Tell everybody who sends requests.

        Raises:
            Refused: not all of them have it, so none has.
        """
        try:
            await self._control.place(placement(self._site))
        except NoControl as refused:
            raise Refused(f"the copies that get requests are the same as before: {refused}") from None
        write_peers(self._site)

    def _told(self, service: str) -> dict[str, Any]:
        wanted = self._wanted(service)
        canary = wanted.canary
        return {
            "ok": True,
            "service": service,
            "version": wanted.version,
            "former": wanted.former,
            "canary": {"version": canary.version, "weight": canary.weight} if canary else None,
            "copies": [copy.name for copy in self._copies(service)],
        }
