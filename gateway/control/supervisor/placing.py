"""Copies in and out of their place: what every change of a service is made of.

The problem: a request that meets a half-done change fails. The rule: a new copy gets requests when it is ready, and one
that goes is first left out by everybody who sends requests, waits until the last of them is answered, and only then is
told to stop. What changes is put down before it is done, so that a successor of a killed supervisor finds it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any, Protocol

from gateway.control.supervisor import ports
from gateway.control.supervisor.control_client import ControlClient, NoControl
from gateway.control.supervisor.copies import Copies, Copy
from gateway.control.supervisor.fleet import Fleet
from gateway.control.supervisor.keeper import Keeper
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


class Places:
    """The copies of all services of one instance."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    @property
    def site(self) -> Site:
        """The instance as it is now."""
        return self._instance.site

    @property
    def fleet(self) -> Fleet:
        """Its processes."""
        return self._instance.fleet

    @property
    def control(self) -> ControlClient:
        """Who tells the senders of requests."""
        return ControlClient(self.site.ports["admin"], self.site.admin_secret)

    def copies(self, service: str) -> tuple[Copy, ...]:
        """Those that there are."""
        return self.site.copies_of(service)

    def current(self, copy: Copy) -> Copy:
        """The same copy as it is by now."""
        return next(one for one in self.copies(copy.service) if one.number == copy.number)

    def _in_mesh(self, service: str) -> bool:
        return self.site.mesh is not None and service in self.site.mesh.peers

    def keepers(self, copy: Copy) -> list[Keeper]:
        """Its process, and before it its sidecar."""
        return self.fleet.named(sidecar_name(copy.name), copy.name)

    def copy_of(self, keeper: Keeper) -> Copy | None:
        """Whose process it is."""
        service = keeper.plan.service
        found = (one for one in self.copies(service) if one.name == keeper.plan.name) if service else ()
        return next(iter(found), None)

    def others_serve(self, copy: Copy) -> bool:
        """Whether requests can go without it."""
        others = [one for one in self.copies(copy.service) if one.number != copy.number and one.place == "in"]
        return any(keeper.state == "running" for one in others for keeper in self.fleet.named(one.name))

    async def bring_in(self, copy: Copy) -> None:
        """From now on it gets requests.

        Raises:
            Refused: not everybody who sends requests heard it.
        """
        if copy.place == "in":
            return
        await self.change(copy, place="in")
        try:
            await self.announce()
        except Refused:
            await self.change(self.current(copy), place=copy.place)
            raise

    async def withdraw(self, copy: Copy, place: Any) -> Copy:
        """No request comes to it any more, and none is there; returns it as it is then."""
        if copy.place != "in":
            return await self.change(copy, place=place) if copy.place != place else copy
        out = await self.change(copy, place=place)
        try:
            await self.announce()
        except Refused:
            await self.change(out, place="in")
            raise
        await self._emptied(copy)
        return out

    async def _emptied(self, copy: Copy) -> None:
        """Wait until nobody has a request there; not longer than the gateway itself may take to drain."""
        site, left = self.site, 0
        address = copy_at(site, copy)
        if site.mesh is not None and self._in_mesh(copy.service):
            address = inbound_at(site, site.mesh, copy)
        end = time.monotonic() + site.drain_timeout
        while time.monotonic() < end:
            try:
                left = await self.control.leaving(address)
            except NoControl as away:
                raise Refused(str(away)) from None
            if not left:
                break
            await asyncio.sleep(LOOK_AGAIN)
        else:
            log.warning("requests are cut off after the drain time", extra={"copy": copy.name, "requests": left})
        if any(copy.service in entry.peers for entry in site.manifest.services) and site.mesh is None:
            await asyncio.sleep(PEER_SECONDS)  # services that call it by themselves acknowledge nothing

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

    def free_port(self, service: str, number: int) -> int:
        """Where a further copy will listen.

        Raises:
            Refused: there is no port for it, or somebody has it.
        """
        port = self.site.copy_port(service, number)
        if port is None:
            raise Refused(f"the block of ports has none for {number} copies of {service}; start without --port-base")
        if not ports.is_free(port):
            raise Refused(f"port {port}, which {service}'s copy {number} would have, is in use{ports.holder(port)}")
        return port

    async def change(self, copy: Copy, **changes: Any) -> Copy:
        """Put down that it is otherwise now."""
        changed = replace(copy, **changes)
        others = (one for one in self.copies(copy.service) if one.number != copy.number)
        await self.set_copies(copy.service, (*others, changed))
        return changed

    async def set_copies(self, service: str, copies: tuple[Copy, ...]) -> None:
        """Put down which copies there are; in a mesh a new one gets the sockets of its sidecar."""
        site = self.site
        if site.mesh is not None and self._in_mesh(service):
            unbound = [copy.name for copy in copies if copy.name not in site.mesh.sidecars]
            bound = {name: bind_sidecar(site.mesh.peers[service], self._instance.stack) for name in unbound}
            site = replace(site, mesh=replace(site.mesh, sidecars={**site.mesh.sidecars, **bound}))
        await self._instance.adopt(replace(site, copies=site.copies.with_copies(service, copies)))

    async def adopt(self, copies: Copies) -> None:
        """Put down what there is, and what is wanted."""
        await self._instance.adopt(replace(self.site, copies=copies))

    async def announce(self) -> None:
        """Tell everybody who sends requests.

        Raises:
            Refused: not all of them have it, so none has.
        """
        try:
            await self.control.place(placement(self.site))
        except NoControl as refused:
            raise Refused(f"the copies that get requests are the same as before: {refused}") from None
        write_peers(self.site)
