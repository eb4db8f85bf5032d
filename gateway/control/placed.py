"""Copies come, go and are tried: what control does about it.

The rule: a change is in force when everybody who sends requests has said so, the gateway's workers and in a mesh the
sidecars; if one of them refuses, all stay with what was before, and the supervisor, who asked, is told why. Whoever is
about to stop a copy asks afterwards whether anybody still has a request there.

What becomes of a version that is tried is decided here (gateway.control.canary), and carried out by the supervisor,
who has its processes: it is told again and again until it has done it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gateway.control.placement import Placement, shape, trial_group
from gateway.control.supervisor_client import SupervisorError

if TYPE_CHECKING:
    from gateway.control.plane import ControlPlane

log = logging.getLogger(__name__)

JUDGE_SECONDS = 0.5
AGAIN_SECONDS = 2.0
SUPERVISOR_SECONDS = 120.0
"""How long the supervisor may take to do what was decided."""
ENDED = {"rolled_back": "canary-failed", "promoted": "promote"}
"""What the supervisor is asked to do when a trial is over, by its state."""


class NotPlaced(Exception):
    """Somebody did not take it: everything is as before; `str()` says who and why."""


class Placed:
    """The copies that get requests."""

    def __init__(self, plane: ControlPlane, placement: Placement) -> None:
        self._plane = plane
        self._lock = asyncio.Lock()
        self.placement = placement

    def shape(self, document: dict[str, Any]) -> dict[str, Any]:
        """A configuration as it is sent to the workers."""
        return shape(document, self.placement.trials)

    def endpoints(self) -> dict[str, list[str]]:
        """Where services are, by group; in a mesh those of its members are where their sidecars say."""
        settings, mesh = self._plane.settings, self._plane.mesh
        found = {**settings.endpoints, **self.placement.endpoints()}
        if mesh is None:
            return found
        members = set(mesh.identities)
        outside = {group: addresses for group, addresses in found.items() if group.partition(".")[0] not in members}
        return outside | mesh.registry.endpoints()

    def register(self) -> bool:
        """Tell the registry of sidecars who of them is placed; whether that changes anything."""
        mesh = self._plane.mesh
        if mesh is None:
            return False
        groups = {f"{name}-sidecar": group for name, group in self.placement.groups().items()}
        known = {f"{copy.name}-sidecar" for copies in self.placement.services.values() for copy in copies}
        return mesh.registry.place(groups, known)

    async def place(self, wanted: Placement) -> int:
        """Put it in force; the version of the configuration that all workers have then.

        Raises:
            NotPlaced: not everybody took it, so nobody keeps it.
        """
        async with self._lock:
            before, self.placement = self.placement, wanted
            errors = await self._spread()
            if errors:
                self.placement = before
                await self._spread()
                raise NotPlaced("; ".join(errors))
            current = self._plane.reloader.current
            return current.version if current else 0

    async def _spread(self) -> list[str]:
        self.register()
        mesh = self._plane.mesh
        try:
            errors = await mesh.plane.spread(self.placement.trials) if mesh else []
        except ValueError as error:
            errors = [str(error)]
        if errors:
            return errors
        return await self._move("placement")

    async def moved(self, _: Mapping[str, list[str]]) -> None:
        """Sidecars are elsewhere now: tell the workers, and again if one of them does not take it.

        What was before is no choice that one could stay with: it may name nobody who is still there.
        """
        mesh = self._plane.mesh
        if await self._move("registry") and mesh is not None:
            asyncio.get_running_loop().call_later(AGAIN_SECONDS, mesh.plane.tell)

    async def _move(self, trigger: str) -> list[str]:
        reloader = self._plane.reloader
        reloader.source.endpoints.clear()
        reloader.source.endpoints.update(self.endpoints())
        result = await reloader.move(trigger)
        self._plane.follow()
        return list(result.errors)

    async def leaving(self, address: str) -> int:
        """How many requests may still reach an address that is no endpoint any more; those who do not answer count."""
        mesh, channel = self._plane.mesh, self._plane.channel
        asked = {"address": address}
        left = 0
        for one in (channel, mesh.channel) if mesh else (channel,):
            expected = {worker.name for worker in one.workers}
            answers = await one.ask_all("leaving", asked, within=1.0)
            left += sum(answer.get("left", 1) for answer in answers.values()) + len(expected - answers.keys())
        return left

    async def judge(self) -> None:
        """Bring what was decided about trials to the supervisor, for ever."""
        while True:
            for service, trial in self.placement.trials.items():
                watched = self._plane.canaries.book.watched.get(trial_group(service, trial.version))
                if watched is not None and watched.decision.state in ENDED:
                    await self._end(service, trial.version, watched.decision.state, watched.decision.why)
            await asyncio.sleep(JUDGE_SECONDS)

    async def _end(self, service: str, version: str, state: str, why: str) -> None:
        question = {"do": ENDED[state], "name": service, "version": version, "why": why}
        try:
            await self._plane.supervisor.ask(within=SUPERVISOR_SECONDS, **question)
        except SupervisorError as error:
            log.error("a trial is over, and goes on", extra={"service": service, "state": state, "error": str(error)})
