"""The steps from the copies that there are to those that are wanted.

    wanted: 2 × v2     orders v1, orders-2 v1                      what there is
                       orders v1, orders-2 v1, orders-3 v2         one more, so that two always serve
                       orders v2, orders-2 v1, orders-3 v2         each: left out, empty, exchanged, in again
                       orders v2, orders-2 v2, orders-3 v2
                       orders v2, orders-2 v2                      the one more goes

The rule: at no moment are there fewer copies than were wanted. The steps depend on nothing but what there is and what
is wanted, so the same ones lead forward, back after a failure, and on after a kill.
"""

from __future__ import annotations

from gateway.control.supervisor.copies import Copy, Wanted
from gateway.control.supervisor.placing import Places
from gateway.control.supervisor.socket_api import Refused


class Steps:
    """Takes them, one service at a time."""

    def __init__(self, places: Places) -> None:
        self._places = places

    async def converge(self, service: str) -> None:
        """The steps that lead from what there is to what is wanted.

        Raises:
            Refused: one of them fails; those before it stay done.
        """
        wanted = self._places.site.copies.wanted(self._places.site.entry(service))
        numbers, canaries = range(1, wanted.copies + 1), wanted.canary_numbers
        await self._take_up_promoted(service, wanted)
        there = {copy.number: copy for copy in self._places.copies(service)}
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
                await self._places.started(*self._places.keepers(copy))
                await self._places.bring_in(copy)
        for number in canaries:
            assert wanted.canary is not None
            copy = there.get(number)
            if copy is not None and (copy.version, copy.canary) != (wanted.canary.version, True):
                await self._remove(copy)
                copy = None
            if copy is None or copy.place == "out":
                await self._add(service, number, wanted.canary.version, canary=True)
        for copy in reversed(self._places.copies(service)):
            if copy.number not in numbers and copy.number not in canaries:
                await self._remove(copy)

    async def _take_up_promoted(self, service: str, wanted: Wanted) -> None:
        """Copies of a canary that is the version now get requests like any other."""
        for copy in self._places.copies(service):
            if copy.canary and copy.version == wanted.version and copy.number not in wanted.canary_numbers:
                await self._places.change(copy, canary=False)
                await self._places.announce()

    async def _add(self, service: str, number: int, version: str, *, canary: bool = False) -> None:
        known = {copy.number: copy for copy in self._places.copies(service)}.get(number)
        if known is None:
            copy = Copy(service, number, version, self._places.free_port(service, number), "out", canary)
            await self._places.set_copies(service, (*self._places.copies(service), copy))
        else:
            copy = await self._places.change(known, version=version, canary=canary)
        try:
            await self._places.started(*self._places.keepers(copy))
            await self._places.bring_in(copy)
        except Refused:
            await self._remove(self._places.current(copy))
            raise

    async def _exchange(self, copy: Copy, version: str) -> None:
        """The same copy with another version."""
        copy = await self._places.withdraw(copy, "out")
        (keeper,) = self._places.fleet.named(copy.name)
        await keeper.stop()
        copy = await self._places.change(copy, version=version)
        await self._places.started(*self._places.keepers(copy))
        await self._places.bring_in(copy)

    async def _remove(self, copy: Copy) -> None:
        copy = await self._places.withdraw(copy, "out")
        for keeper in self._places.keepers(copy):
            await keeper.stop()
        await self._places.set_copies(
            copy.service, tuple(one for one in self._places.copies(copy.service) if one != copy)
        )
        await self._places.announce()
