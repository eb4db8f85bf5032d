"""Which journey comes next, and when: decided here, without clock, network or global randomness.

The problem: load that is as fast as the machine allows measures the machine and drowns everything else. The rule:
an open loop with a fixed mean rate (arrivals do not wait for answers), and a gap of random, exponential length
between two requests, as independent visitors make. And normal traffic looks normal: two customers share all orders,
so each orders and cancels no more often than a person would, well below what the shop finds suspicious.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping

WEIGHTS: Mapping[str, float] = {
    "browse": 36,
    "order": 14,
    "own_orders": 14,
    "profile_by_soap": 11,
    "profile_by_graphql": 12,
    "partner_reads_orders": 10,
    "without_token": 1.2,
    "foreign_order": 1.2,
    "wrong_password": 0.6,
}
"""How often each journey is made, in percent. The last three are refused: about 3 % of all."""

EVERY: Mapping[str, float] = {"order": 30.0, "cancel": 900.0}
"""Seconds at least between two of these by one customer. Suspicious are 5 orders in a minute and 3 cancellations in
ten: what somebody tries by hand meanwhile fits below that, too."""

_FIRST_BACKOFF = 0.5
_LONGEST_BACKOFF = 15.0


def journeys(names: Mapping[str, float], randomness: random.Random) -> Iterator[str]:
    """Names of journeys without end, each as often as its weight says.

    Raises:
        ValueError: there is nothing to choose from.
    """
    if not names or sum(names.values()) <= 0:
        raise ValueError("no journey has a weight")
    choices, weights = list(names), list(names.values())
    while True:
        yield randomness.choices(choices, weights)[0]


class Restraint:
    """Lets each customer do things of a kind only every so often; `clock` is any monotonic one, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last: dict[tuple[str, str], float] = {}

    def may(self, act: str, customer: str) -> bool:
        """Whether it may be done now; then it counts as done. `act` is one of EVERY."""
        now = self._clock()
        if now - self._last.get((act, customer), float("-inf")) < EVERY[act]:
            return False
        self._last[act, customer] = now
        return True


class Pace:
    """Hands out the moments at which requests may start: `rate` per second on average.

    A moment that passed unused is lost, so a pause is never made up for by a burst.
    """

    def __init__(self, rate: float, randomness: random.Random) -> None:
        if rate <= 0:
            raise ValueError("a rate is positive, in requests per second")
        self._rate = rate
        self._randomness = randomness
        self._last = float("-inf")

    def take(self, now: float) -> float:
        """Take the next moment; answers how many seconds it is away. `now` is any monotonic clock in seconds."""
        gap = self._randomness.expovariate(self._rate)
        self._last = max(now, self._last + gap)
        return self._last - now


def backoff(failures: int) -> float:
    """Seconds to stay away after so many failures in a row (the first is 1)."""
    return min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2.0 ** min(failures - 1, 16))
