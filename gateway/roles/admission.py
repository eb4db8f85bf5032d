"""How many connections a listener holds, in total and for one address.

The problem: one client that opens connections and says nothing can take them all. The rule: both numbers are
bounded, and counted before anything is read or decrypted; an IPv6 client counts by its /64 network, which one
host owns as a whole. What is counted here is bounded itself: an address is forgotten with its last connection.
"""

from __future__ import annotations

from gateway.spec.models import Listener as Spec


class Admission:
    """The connections of one listener by the address that they count for."""

    def __init__(self) -> None:
        self._per_address = 0
        self._max = 0
        self._seats: dict[object, str] = {}
        self._counts: dict[str, int] = {}

    def configure(self, spec: Spec) -> None:
        """Other limits; whoever is inside stays."""
        self._max = spec.max_connections
        self._per_address = spec.connections_per_address

    def __contains__(self, seat: object) -> bool:
        return seat in self._seats

    def enter(self, seat: object, address: str) -> str:
        """Count a connection; the reason for refusing it, or ""."""
        if len(self._seats) >= self._max:
            return "too_many_connections"
        count = self._counts.get(address, 0)
        if self._per_address and count >= self._per_address:
            return "too_many_connections_of_address"
        self._seats[seat] = address
        self._counts[address] = count + 1
        return ""

    def leave(self, seat: object) -> None:
        """Count no longer; doing so twice does nothing."""
        address = self._seats.pop(seat, None)
        if address is None:
            return
        self._counts[address] -= 1
        if not self._counts[address]:
            del self._counts[address]

    def __len__(self) -> int:
        return len(self._seats)
