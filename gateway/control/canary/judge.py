"""Whether a canary does worse than it may.

The problem: a canary that fails must go, and one must not go for a fault that all share: when a database behind both
versions is down, taking the canary back helps nobody and hides the cause. The rule: both thresholds are compared with
the stable side in the same window.

- Errors: the canary's share of failing requests may exceed the stable side's by `errorRatio`.
- Latency: the canary's quantile may exceed `max`, or `ratio` times that of the stable side, but not both.

Fewer than `minRequests` say nothing about the canary. Where the stable side has fewer than that, a whole window is
waited for; if it still has, because the canary gets nearly everything, the thresholds hold by themselves.

Pure: numbers in, a reason out.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from gateway.observability.outcomes import Outcomes
from gateway.spec.models import CanaryLatency, CanaryRollback

Cause = Literal["error_ratio", "latency"]


class Blame(NamedTuple):
    """Why a canary is taken back."""

    cause: Cause
    why: str
    """With the numbers, for people."""


def judge(rules: CanaryRollback, canary: Outcomes, stable: Outcomes, whole: bool) -> Blame | None:
    """What a window says against the canary; `whole`: everything that happened in a window's time was seen."""
    least = rules.min_requests
    comparable = stable.requests >= least
    if canary.requests < least or not (comparable or whole):
        return None
    other = stable if comparable else Outcomes()
    blame = _by_errors(rules.error_ratio, canary, other)
    if blame is None and rules.latency is not None:
        blame = _by_latency(rules.latency, least, canary, other)
    return blame


def _by_errors(allowed: float, canary: Outcomes, stable: Outcomes) -> Blame | None:
    if canary.error_ratio - stable.error_ratio <= allowed:
        return None
    beside = f"of the stable side {_failed(stable)}" if stable.requests else "the stable side had too few to compare"
    return Blame("error_ratio", f"{_failed(canary)}; {beside}; {_percent(allowed)} more are allowed")


def _by_latency(rules: CanaryLatency, least: int, canary: Outcomes, stable: Outcomes) -> Blame | None:
    own, other = canary.quantile(rules.quantile, least), stable.quantile(rules.quantile, least)
    if own is None or own <= rules.max or (other is not None and own <= rules.ratio * other):
        return None
    name = f"p{rules.quantile * 100:g}"
    if other is None:
        return Blame("latency", f"{name} was {_ms(own)}; at most {_ms(rules.max)} is allowed")
    allowed = f"{_ms(rules.max)} and {rules.ratio:g} times as much"
    return Blame("latency", f"{name} was {_ms(own)}, of the stable side {_ms(other)}; more than {allowed}")


def _failed(side: Outcomes) -> str:
    return f"{side.failures} of {side.requests} requests failed ({_percent(side.error_ratio)})"


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
