"""Coalescing: requests for the same missing answer make one request to the service.

The problem: when what everybody wants runs out, everybody asks the service for it in the same moment (a thundering
herd), and whoever waits for one that fails must not wait for ever, nor set off the herd after all. The rule: the first
one leads, the others wait for it, each for as long as it may.

    the leader's answer         then those that wait
    is kept                     look again, and find it
    may not be kept             all ask for themselves; for a while nobody waits for this answer
    fails (no answer, a 5xx,    one of them leads, the others go on waiting: a service that is down is asked by
    the leader's client left)   one at a time

Who leaves stops waiting, and if it was its turn to lead, the next one does.
"""

from __future__ import annotations

import asyncio

from gateway.filters.cache_store import FlightKey, Zone
from gateway.http.messages import Request


class Flight:
    """One request to the service, and those that wait for its answer."""

    __slots__ = ("_waiting", "_zone", "key", "leader")

    def __init__(self, zone: Zone, key: FlightKey, leader: Request) -> None:
        """Begin; until it lands, requests with this key find it in the zone."""
        self._zone, self.key = zone, key
        self._waiting: dict[asyncio.Future[None], Request] = {}
        self.leader: Request = leader
        """Who asks the service, or is about to."""
        zone.flights[key] = self

    def __repr__(self) -> str:
        return f"<Flight {self.key[0].place.path} led by {self.leader!r}, {len(self)} waiting>"

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    async def wait(self, request: Request, seconds: float) -> bool:
        """Until it lands, until it is this request's turn to lead (True), or until time is up."""
        future = asyncio.get_running_loop().create_future()
        self._waiting[future] = request
        try:
            async with asyncio.timeout(seconds):
                await future
        except TimeoutError:
            pass
        except BaseException:  # the client left
            self.give_up(request)
            raise
        finally:
            self._waiting.pop(future, None)
        return self.leader is request

    def land(self) -> None:
        """All that wait may look again."""
        if self._zone.flights.get(self.key) is self:
            del self._zone.flights[self.key]
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    def give_up(self, request: Request) -> None:
        """Whoever led, or was to lead, does not: the next one does; a request that does not lead changes nothing."""
        if self.leader is not request or self._zone.flights.get(self.key) is not self:
            return
        for future, waiting in self._waiting.items():
            if not future.done():
                self.leader = waiting
                future.set_result(None)
                return
        self.land()
