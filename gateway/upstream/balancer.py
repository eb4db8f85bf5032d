"""Which endpoint gets the next request.

The problem: endpoints are never equally fast, and not equally large. The rule: `round_robin` takes turns;
`least_request` looks at two random endpoints and takes the one with fewer requests in flight (the power of two choices,
Mitzenmacher 1996), which is nearly as even as looking at all of them and costs the same for 2 or 2 000; `random` draws;
`ring_hash` goes by what the request says of its client (see `ring`).

A balancer is made for the endpoints that can be used at the moment, and anew when these change: what is always so
(one endpoint only, equal weights) is decided then and not for each request.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Collection, Sequence
from heapq import heapify, heapreplace
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING, Final

from gateway.upstream.endpoint import Endpoint

if TYPE_CHECKING:
    from gateway.upstream.cluster import Waiter


class Unavailable(Exception):
    """No connection can be had: `reason` is `no_endpoint`, `no_healthy_endpoint` or `upstream_overflow`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Balancer:
    """Chooses one of some endpoints; this one has a single one, and nothing to choose."""

    def __init__(self, endpoints: Sequence[Endpoint], random: Random) -> None:
        self.endpoints = endpoints
        self.random = random

    def pick(self, _: Waiter) -> Endpoint:
        """The endpoint for a request."""
        return self.endpoints[0]

    def pick_other(self, waiter: Waiter, avoid: Collection[Endpoint]) -> Endpoint:
        """One that is not among those to avoid, or at least not the last of these; it may cost more than `pick`."""
        rest = [one for one in self.endpoints if one not in avoid]
        if not rest:
            rest = [one for one in self.endpoints if one not in tuple(avoid)[-1:]]
        return self._among(rest).pick(waiter) if rest else self.pick(waiter)

    def _among(self, endpoints: Sequence[Endpoint]) -> Balancer:
        return choice(type(self), endpoints, self.random)


class Nobody(Balancer):
    """There is no endpoint to choose."""

    reason = "no_endpoint"

    def pick(self, _: Waiter) -> Endpoint:
        """Say so."""
        raise Unavailable(self.reason)


class NobodyHealthy(Nobody):
    """There are endpoints, but none may be used."""

    reason = "no_healthy_endpoint"


class RoundRobin(Balancer):
    """Take turns, beginning anywhere: several workers that start together must not all begin with the same one."""

    def __init__(self, endpoints: Sequence[Endpoint], random: Random) -> None:
        super().__init__(endpoints, random)
        self._turn = random.randrange(len(endpoints))

    def pick(self, _: Waiter) -> Endpoint:
        """The next one."""
        self._turn = turn = (self._turn + 1) % len(self.endpoints)
        return self.endpoints[turn]


class WeightedRoundRobin(Balancer):
    """Turns by weight: the earliest deadline first, and the next one is 1/weight later (as Envoy's EDF scheduler)."""

    def __init__(self, endpoints: Sequence[Endpoint], random: Random) -> None:
        super().__init__(endpoints, random)
        self._line = [(random.random() / one.weight, place) for place, one in enumerate(endpoints)]
        heapify(self._line)

    def pick(self, _: Waiter) -> Endpoint:
        """The one whose turn it is."""
        due, place = self._line[0]
        endpoint = self.endpoints[place]
        heapreplace(self._line, (due + 1 / endpoint.weight, place))
        return endpoint

    def _among(self, endpoints: Sequence[Endpoint]) -> Balancer:
        return choice(WeightedRandomChoice, endpoints, self.random)  # whoever comes only once has no turn


class RandomChoice(Balancer):
    """Any."""

    def pick(self, _: Waiter) -> Endpoint:
        """Draw one."""
        return self.endpoints[int(self.random.random() * len(self.endpoints))]


class WeightedRandomChoice(Balancer):
    """Any, by weight."""

    def __init__(self, endpoints: Sequence[Endpoint], random: Random) -> None:
        super().__init__(endpoints, random)
        self._ends = tuple(accumulate(one.weight for one in endpoints))

    def pick(self, _: Waiter) -> Endpoint:
        """Draw one."""
        return self.endpoints[bisect(self._ends, int(self.random.random() * self._ends[-1]))]


class LeastRequest(Balancer):
    """The less busy of two taken at random; busy are requests in flight and those that wait for a connection to it."""

    def pick(self, _: Waiter) -> Endpoint:
        """Draw two, take one."""
        endpoints, random = self.endpoints, self.random.random
        count = len(endpoints)
        first = int(random() * count)
        one, other = endpoints[first], endpoints[(first + 1 + int(random() * (count - 1))) % count]
        return one if one.active + one.connecting <= other.active + other.connecting else other


class WeightedLeastRequest(WeightedRandomChoice):
    """Two drawn by weight, and of these the less busy for its weight."""

    def pick(self, _: Waiter) -> Endpoint:
        """Draw two, take one."""
        endpoints, ends = self.endpoints, self._ends
        first = bisect(ends, int(self.random.random() * ends[-1]))
        one = endpoints[first]
        drawn = int(self.random.random() * (ends[-1] - one.weight))  # on the line without the first one's piece
        other = endpoints[bisect(ends, drawn if drawn < ends[first] - one.weight else drawn + one.weight)]
        busy, other_busy = one.active + one.connecting, other.active + other.connecting
        return one if busy * other.weight <= other_busy * one.weight else other


KINDS: Final[dict[str, tuple[type[Balancer], type[Balancer]]]] = {
    "round_robin": (RoundRobin, WeightedRoundRobin),
    "least_request": (LeastRequest, WeightedLeastRequest),
    "random": (RandomChoice, WeightedRandomChoice),
}
"""For equal weights, and for others."""


def balancer(policy: str, endpoints: Sequence[Endpoint], random: Random) -> Balancer:
    """What chooses among these endpoints by a policy of `KINDS`; there is at least one."""
    even = len({one.weight for one in endpoints}) == 1
    return choice(KINDS[policy][not even], endpoints, random)


def choice(kind: type[Balancer], endpoints: Sequence[Endpoint], random: Random) -> Balancer:
    """A balancer; where there is one endpoint only, the one that does not look."""
    return (kind if len(endpoints) > 1 else Balancer)(endpoints, random)
