"""Consistent hashing: the same client, the same endpoint, whoever comes or goes (Karger et al. 1997).

The problem: an endpoint that caches, or keeps a client's state, is of use only to whoever comes back to it; a hash
modulo the number of endpoints would send nearly everybody elsewhere when that number changes. The rule: each endpoint
has many places on a ring; a request belongs to the first place at or after its own. When an endpoint goes only its own
clients move, and they spread over all others. Places follow from the address alone, so that all workers, and all
gateways with the same endpoints, agree.

A request without the key (no such header, nobody logged in) goes anywhere.
"""

from __future__ import annotations

import struct
from bisect import bisect
from collections.abc import Callable, Collection, Sequence
from hashlib import blake2b
from random import Random
from typing import TYPE_CHECKING, Final

from gateway.http.messages import Request
from gateway.spec.endpoints import HashOn
from gateway.upstream.balancer import Balancer, WeightedRandomChoice
from gateway.upstream.cookies import cookie
from gateway.upstream.endpoint import Endpoint

if TYPE_CHECKING:
    from gateway.upstream.cluster import Waiter

PLACES_EACH: Final = 256
"""For each unit of weight: shares differ by about 1/√256 = 6 % (5.4 % in 60 rings of ten endpoints)."""
PLACES: Final = 16_384
"""At most so many on a ring (7 ms to make it, in which requests wait); beyond that a unit of weight has fewer."""

_EACH: Final = struct.Struct(">Q")

Key = Callable[[Request], str | None]


class Ring:
    """The places of all endpoints of a cluster; who of them can be used is asked when somebody looks."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        total = sum(one.weight for one in endpoints)
        each = max(1, min(PLACES_EACH, PLACES // total)) if total else 0
        owners = {place: one for one in endpoints for place in _places(one.address, each * one.weight)}
        self._places = sorted(owners)
        self._owners = [owners[place] for place in self._places]

    def owner(self, key: str, allowed: Collection[Endpoint]) -> Endpoint | None:
        """The endpoint of a key; None when none is allowed."""
        owners = self._owners
        start = bisect(self._places, _hash(key.encode("utf-8", "surrogatepass")))
        for step in range(len(owners)):
            one = owners[(start + step) % len(owners)]
            if one in allowed:
                return one
        return None


class RingHash(Balancer):
    """Chooses by the ring."""

    def __init__(self, endpoints: Sequence[Endpoint], random: Random, ring: Ring, key: Key) -> None:
        super().__init__(endpoints, random)
        self._ring = ring
        self._key = key
        self._allowed = frozenset(endpoints)
        self._anywhere = WeightedRandomChoice(endpoints, random)

    def pick(self, waiter: Waiter) -> Endpoint:
        """The key's own endpoint, or the next one on the ring."""
        return self._pick(waiter, self._allowed) or self._anywhere.pick(waiter)

    def pick_other(self, waiter: Waiter, avoid: Collection[Endpoint]) -> Endpoint:
        """The next one on the ring that is not to be avoided: where the key would belong without those."""
        rest = self._allowed.difference(avoid) or self._allowed.difference(tuple(avoid)[-1:])
        return self._pick(waiter, rest) or self._anywhere.pick_other(waiter, avoid)

    def _pick(self, waiter: Waiter, allowed: frozenset[Endpoint]) -> Endpoint | None:
        key = self._key(waiter.request)
        return None if key is None else self._ring.owner(key, allowed)


def key_function(hash_on: HashOn) -> Key:
    """How to find a request's key; None when it has none."""
    kind, name = hash_on.type, hash_on.name or ""
    if kind == "Address":
        return lambda request: request.address
    if kind == "Header":
        field = name.lower().encode("latin-1", "replace")
        return lambda request: request.get(field)
    if kind == "Cookie":
        wanted = name.encode("latin-1", "replace")
        return lambda request: cookie(request, wanted)
    return lambda request: _claim(request, name)


def _claim(request: Request, name: str) -> str | None:
    value = request.claims.get(name) if request.claims else None
    return None if value is None else str(value)


def _hash(data: bytes) -> int:
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "big")


def _places(address: str, count: int) -> list[int]:
    """The first `count` places of an address, eight from each digest; in 64 bits no two ever meet."""
    blocks = range(0, count, 8)
    digests = b"".join([blake2b(f"{address}#{block}".encode()).digest() for block in blocks])
    return [place for (place,) in _EACH.iter_unpack(digests[: 8 * count])]
