"""Which endpoint gets the next request.

The problem: endpoints are never equally fast. The rule: `round_robin` takes turns; `least_request` looks at two
random endpoints and takes the one with fewer requests in flight (the power of two choices, Mitzenmacher 1996),
which is nearly as even as looking at all of them and costs the same for 2 or 2 000.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from gateway.upstream.endpoint import Endpoint

Pick = Callable[[Sequence[Endpoint]], Endpoint]


def round_robin(_: Random) -> Pick:
    """Take turns."""
    turn = -1

    def pick(endpoints: Sequence[Endpoint]) -> Endpoint:
        nonlocal turn
        turn = (turn + 1) % len(endpoints)
        return endpoints[turn]

    return pick


def least_request(random: Random) -> Pick:
    """The less busy of two taken at random."""

    def pick(endpoints: Sequence[Endpoint]) -> Endpoint:
        count = len(endpoints)
        if count == 1:
            return endpoints[0]
        first = int(random.random() * count)
        second = (first + 1 + int(random.random() * (count - 1))) % count
        one, other = endpoints[first], endpoints[second]
        return one if one.active <= other.active else other

    return pick


BALANCERS: Final[dict[str, Callable[[Random], Pick]]] = {
    "round_robin": round_robin,
    "least_request": least_request,
}
