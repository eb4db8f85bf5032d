"""Changing one service while it serves: more copies, fewer, another version; the others do not notice.

The problem: a change takes several steps, and any of them may fail. The rule: every change states what is wanted, and
then the steps are taken that lead there (gateway.control.supervisor.converging). When one fails, what was wanted before
is wanted again, and the same steps lead back. A successor of a killed supervisor takes them, too.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from gateway.control.supervisor.architecture import architecture_of
from gateway.control.supervisor.converging import Steps
from gateway.control.supervisor.copies import MOST, Canary, Wanted
from gateway.control.supervisor.keeper import Keeper
from gateway.control.supervisor.manifest import ServiceEntry, parse_version
from gateway.control.supervisor.placing import Instance, Places
from gateway.control.supervisor.socket_api import Refused

log = logging.getLogger(__name__)


class Deployer:
    """Changes services of one instance, one change at a time."""

    def __init__(self, instance: Instance) -> None:
        self.places = Places(instance)
        self._steps = Steps(self.places)

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

    def versions(self) -> dict[str, dict[str, Any]]:
        """Of each service that can be changed: what runs of it, and which versions it has; by its name."""
        site = self.places.site
        if not architecture_of(site.options).gateway:
            return {}
        entries = [entry for entry in site.manifest.services if entry.port]
        return {
            entry.name: {
                **self._told(entry.name),
                "known": list({**entry.versions, **site.copies.versions.get(entry.name, {})}),
            }
            for entry in entries
        }

    async def change(self, action: str, keepers: Iterable[Keeper]) -> None:
        """Stop, start or restart processes, one after the other; a copy that others can stand in for is emptied first.

        Raises:
            Refused: one does not become ready.
        """
        for keeper in keepers:
            copy = self.places.copy_of(keeper)
            if action in ("stop", "restart"):
                if copy is not None and self.places.others_serve(copy):
                    await self.places.withdraw(copy, "held" if action == "stop" else "out")
                await keeper.stop()
            if action in ("start", "restart"):
                await self.places.started(keeper)
                if copy is not None:
                    await self.places.bring_in(self.places.copy_of(keeper) or copy)

    async def settle(self) -> None:
        """After a kill: what was begun comes to its end."""
        for service in self.places.site.copies.there:
            try:
                await self.places.started(*self.places.fleet.named("control"))
                await self.places.announce()
                await self._settle(service)
            except Refused as refused:
                log.error("a change was left half done", extra={"service": service, "why": str(refused)})

    async def _settle(self, service: str) -> None:
        wanted = self._wanted(service)
        try:
            await self._steps.converge(service)
        except Refused as refused:
            if wanted.canary is not None:
                before = replace(wanted, canary=None)
            elif wanted.former is not None:
                before = Wanted(wanted.former, wanted.copies)
            else:
                raise
            log.error("going back", extra={"service": service, "why": str(refused)})
            await self._want(service, before)
            await self._steps.converge(service)

    # -- what all of them do -------------------------------------------------------------------------------------

    async def _reach(self, service: str, wanted: Wanted) -> dict[str, Any]:
        before = self._wanted(service)
        log.info("changing %s", service, extra={"wanted": repr(wanted), "before": repr(before)})
        await self._want(service, wanted)
        try:
            await self._steps.converge(service)
        except Refused as refused:
            await self._want(service, before)
            try:
                await self._steps.converge(service)
            except Refused as again:
                raise Refused(f"{refused}\nGoing back failed, too: {again}") from None
            raise Refused(f"{refused}\nEverything is as before.") from None
        return self._told(service)

    def _entry(self, service: str) -> ServiceEntry:
        try:
            entry = self.places.site.entry(service)
        except KeyError:
            names = ", ".join(one.name for one in self.places.site.manifest.services if one.port)
            raise Refused(f"no service {service!r}; there are: {names or 'none'}") from None
        if not architecture_of(self.places.site.options).gateway:
            raise Refused("nobody in front shares requests among copies: this instance runs without a gateway")
        if not entry.port:
            raise Refused(f"{service} serves nothing, so there is nothing to share among copies")
        return entry

    def _wanted(self, service: str) -> Wanted:
        return self.places.site.copies.wanted(self._entry(service))

    def _changeable(self, service: str) -> Wanted:
        wanted = self._wanted(service)
        if wanted.canary is not None:
            version = wanted.canary.version
            raise Refused(
                f"{service} has a canary, {version}: `gatehouse promote {service}` or `rollback {service}` first"
            )
        resting = [
            one.plan.name
            for copy in self.places.copies(service)
            for one in self.places.keepers(copy)
            if one.state == "stopped"
        ]
        if resting:
            raise Refused(f"{', '.join(resting)} is stopped: `gatehouse start {resting[0]}` first")
        return wanted

    async def _know(self, service: str, version: str, told: dict[str, Any]) -> None:
        """Make sure that there is such a version, and that it is what was meant."""
        entry, copies = self._entry(service), self.places.site.copies
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
        await self.places.adopt(copies.with_version(service, new))

    async def _want(self, service: str, wanted: Wanted) -> None:
        await self.places.adopt(self.places.site.copies.with_wanted(service, wanted))

    def _told(self, service: str) -> dict[str, Any]:
        wanted = self._wanted(service)
        canary = wanted.canary
        return {
            "ok": True,
            "service": service,
            "version": wanted.version,
            "former": wanted.former,
            "canary": {"version": canary.version, "weight": canary.weight} if canary else None,
            "copies": [copy.name for copy in self.places.copies(service)],
        }
