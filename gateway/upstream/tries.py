"""What a route says of its tries, ready to decide; None for a route that says nothing."""

from __future__ import annotations

from gateway.spec.models import Route
from gateway.upstream.faults import Faults
from gateway.upstream.retry import RetryPolicy


class Tries:
    """A route's retries and planted faults: one of them, or both."""

    __slots__ = ("faults", "retry")

    def __init__(self, retry: RetryPolicy | None, faults: Faults | None) -> None:
        self.retry = retry
        self.faults = faults

    @classmethod
    def of(cls, route: Route) -> Tries | None:
        """Of this route, if it says anything."""
        if route.retry is None and route.faults is None:
            return None
        return cls(RetryPolicy(route.retry) if route.retry else None, Faults(route.faults) if route.faults else None)
