"""Outlier detection: endpoints that requests show to be bad get none for a while (Envoy: outlier_detection).

The problem: one endpoint of ten that answers 500 at once looks like the fastest of all, and breaks a tenth of
everything. The rule: so many failures in a row, or a success rate clearly below that of the others, and it is ejected,
each time for longer. Never so many that the rest cannot carry the load: at most a share of them, but at least one.

Each worker judges by the tries that it made itself.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Final

from gateway.spec.endpoints import OutlierDetection as Spec
from gateway.spec.endpoints import SuccessRate

if TYPE_CHECKING:
    from gateway.upstream.cluster import Cluster
    from gateway.upstream.endpoint import Endpoint

log = logging.getLogger("gateway.cluster")

BLAMED: Final = frozenset(
    (
        "upstream_connect_failure", "upstream_connect_timeout", "upstream_tls_failure", "upstream_reset",
        "upstream_protocol_error", "upstream_head_too_large", "upstream_timeout", "request_timeout",
    )
)  # fmt: skip
"""Ends of a try that are its endpoint's fault; any other says nothing about it (the client left, its body was bad)."""


@dataclass(slots=True)
class Outlier:
    """What is remembered of one endpoint."""

    in_a_row: int = 0
    """Failures since the last success."""
    requests: int = 0
    successes: int = 0
    """Both since the interval began."""
    ejections: int = 0
    """How often it was ejected; one less for each interval throughout which it was not."""
    until: float = 0.0
    """When it comes back; 0 while it is not ejected."""
    back: float = float("-inf")
    """When it came back last."""
    why: str = ""


class OutlierDetection:
    """Judges the endpoints of one cluster."""

    def __init__(self, spec: Spec, cluster: Cluster) -> None:
        self._spec = spec
        self._cluster = cluster
        self._interval_ends = cluster.clock() + spec.interval

    def result(self, endpoint: Endpoint, status: int, error: str) -> None:
        """One try at an endpoint is over: with this status, or with an error."""
        if error and error not in BLAMED:
            return
        one = _outlier(endpoint)
        one.requests += 1
        if not error and status < 500:
            one.successes += 1
            one.in_a_row = 0
            return
        one.in_a_row += 1
        most = self._spec.consecutive_5xx
        if most and one.in_a_row >= most:
            self._eject(endpoint, "consecutive_5xx", f"{one.in_a_row} failures in a row")

    def sweep(self, now: float) -> None:
        """Let those come back whose time is over; at an interval's end, compare."""
        for endpoint in self._cluster.endpoints:
            if endpoint.outlier is not None and 0 < endpoint.outlier.until <= now:
                self._readmit(endpoint, "its time is over")
        if now >= self._interval_ends:
            self._interval_ends = now + self._spec.interval
            self._end_interval(now - self._spec.interval)

    def good_check(self, endpoint: Endpoint) -> None:
        """An active health check found the endpoint well."""
        if endpoint.outlier is not None and endpoint.outlier.until:
            self._readmit(endpoint, "a health check found it well")

    def _end_interval(self, began: float) -> None:
        if self._spec.success_rate is not None:
            self._compare(self._spec.success_rate)
        for endpoint in self._cluster.endpoints:
            one = endpoint.outlier
            if one is not None:
                one.requests = one.successes = 0
                if one.ejections and not one.until and one.back <= began:
                    one.ejections -= 1

    def _compare(self, spec: SuccessRate) -> None:
        """Eject those whose success rate is too far below the mean, the worst first."""
        rates = {
            endpoint: one.successes / one.requests
            for endpoint in self._cluster.endpoints
            if (one := endpoint.outlier) is not None and not one.until and one.requests >= spec.requests
        }
        if len(rates) < spec.endpoints:
            return
        mean = sum(rates.values()) / len(rates)
        deviation = sqrt(sum((rate - mean) ** 2 for rate in rates.values()) / len(rates))
        least = mean - spec.deviations * deviation
        for endpoint, rate in sorted(rates.items(), key=lambda pair: pair[1]):
            if rate < least:
                self._eject(endpoint, "success_rate", f"{rate:.0%} of requests succeeded, {mean:.0%} on average")

    def _eject(self, endpoint: Endpoint, reason: str, why: str) -> None:
        spec, cluster, one = self._spec, self._cluster, _outlier(endpoint)
        ejected = sum(1 for other in cluster.endpoints if other.outlier is not None and other.outlier.until)
        most = max(1, len(cluster.endpoints) * spec.max_ejection_percent // 100)
        if one.until or ejected >= most or endpoint.retired:
            return
        one.ejections += 1
        seconds = min(spec.base_ejection_time * one.ejections, max(spec.max_ejection_time, spec.base_ejection_time))
        one.until, one.why = cluster.clock() + seconds, why
        cluster.metrics.ejections.add(cluster.name, reason)
        log.warning("cluster %s: endpoint %s ejected for %g s: %s", cluster.name, endpoint.address, seconds, why)
        cluster.reconsider(endpoint)

    def _readmit(self, endpoint: Endpoint, why: str) -> None:
        one = _outlier(endpoint)
        one.until, one.in_a_row, one.back = 0.0, 0, self._cluster.clock()
        log.info("cluster %s: endpoint %s is no longer ejected: %s", self._cluster.name, endpoint.address, why)
        self._cluster.reconsider(endpoint)


def _outlier(endpoint: Endpoint) -> Outlier:
    if endpoint.outlier is None:
        endpoint.outlier = Outlier()
    return endpoint.outlier
