"""Whether a try that failed may be followed by another, and when: pure decisions, no connections.

The problem: a retry helps when one endpoint fails and harms when all do: then each client's request becomes two or
three, just when there is least room for them. The rule: what went wrong has one class, the route says which classes
are repeated, what may have reached a service is repeated only where that does no harm, and a budget per cluster bounds
how many retries are under way. The wait before a retry is drawn anew each time, else clients that failed together come
back together (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).

Classes are Envoy's (https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter, x-envoy-
retry-on), but `timeout`, which Envoy has only as a part of others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, Protocol

from gateway.spec.tries import Retry, RetryBudget

CONNECT_FAILURE: Final = "connect-failure"
NARROWEST: Final = {
    "upstream_connect_failure": CONNECT_FAILURE,
    "upstream_connect_timeout": CONNECT_FAILURE,
    "upstream_tls_failure": CONNECT_FAILURE,
    "upstream_reset": "reset",
    "upstream_timeout": "timeout",
    "upstream_protocol_error": "gateway-error",
    "upstream_head_too_large": "gateway-error",
}
"""The class of each way to get no answer; a client would get 502 to 504 for it, so the wider classes hold these too."""
LONGEST_WAIT: Final = 10
"""The bound of a wait, as a multiple of the first one (Envoy: max_interval)."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What the policy must know of a request and its tries so far."""

    method: str
    has_key: bool
    """Whether it carries an `Idempotency-Key`."""
    whole: bool
    """Whether all that was sent of its body is still here."""
    retries: int
    """Tries besides the first one, those after a stale connection not counted."""


class RetryPolicy:
    """A route's `retry`, ready to decide."""

    __slots__ = ("_attempts", "_codes", "_keys", "_methods", "_on", "backoff", "max_body_bytes")

    def __init__(self, spec: Retry) -> None:
        self._on = frozenset(spec.on)
        self._codes = frozenset(spec.codes)
        self._methods = frozenset(spec.methods)
        self._keys = spec.idempotency_keys
        self._attempts = spec.attempts
        self.backoff = spec.backoff
        """Seconds; the bound of the first wait."""
        self.max_body_bytes = spec.max_body_bytes

    def class_of_failure(self, reason: str) -> str | None:
        """The class of a try without an answer, if this policy repeats it."""
        narrowest = NARROWEST.get(reason)
        if narrowest is None:
            return None
        return narrowest if self._on & {narrowest, "gateway-error", "5xx"} else None

    def class_of_status(self, status: int) -> str | None:
        """The class of an answer, if this policy repeats it."""
        if status in self._codes:
            return "retriable-status-codes"
        if status in (502, 503, 504) and self._on & {"gateway-error", "5xx"}:
            return "gateway-error"
        return "5xx" if status >= 500 and "5xx" in self._on else None

    def refusal(self, found: str, tried: Tried) -> str:
        """Why a failure of this class is not followed by another try; empty when it may be.

        A connection that did not come about has carried nothing, so that any method may try another.
        """
        if not tried.whole:
            return "body"
        harmless = tried.method in self._methods or (self._keys and tried.has_key)
        if found != CONNECT_FAILURE and not harmless:
            return "method"
        return "attempts" if tried.retries >= self._attempts else ""


def back_off(number: int, base: float, random: Random) -> float:
    """Seconds to wait before the retry with this number, 1 for the first: [0, (2^number - 1) * base), at most 10 base.

    "Full jitter": the whole of it is drawn.
    """
    bound: int = min(2**number - 1, LONGEST_WAIT)
    return random.random() * bound * base


class _Pool(Protocol):
    @property
    def active(self) -> int: ...
    @property
    def connecting(self) -> int: ...


def under_way(endpoints: Sequence[_Pool], pending: int) -> int:
    """Requests that a cluster has in hand, retries included; counted only when somebody wants to retry."""
    return pending + sum(one.active + one.connecting for one in endpoints)


class Budget:
    """How many retries of one cluster may be under way, from the decision to retry to the end of that try.

    At most `percent` of the requests under way that are no retries, and `minimum` in any case. Envoy's retry_budget
    counts the retries among the requests; without them a cluster that fails altogether gets at most 1 + percent / 100
    tries for each request, and not 1 / (1 - percent / 100), as long as a retry lasts no shorter than a first try.
    """

    __slots__ = ("_minimum", "_share", "retries")

    def __init__(self, spec: RetryBudget) -> None:
        self._share = spec.percent / 100
        self._minimum = spec.minimum
        self.retries = 0
        """Under way."""

    def __repr__(self) -> str:
        return f"<Budget {self.retries} retries, share {self._share:g}, at least {self._minimum}>"

    def take(self, requests: int) -> bool:
        """Count one more retry, if there is room beside so many requests (retries included)."""
        firsts = max(0, requests - self.retries)
        if self.retries + 1 > max(self._minimum, self._share * firsts):
            return False
        self.retries += 1
        return True

    def give_back(self) -> None:
        """A retry is over, or will not take place."""
        self.retries -= 1
