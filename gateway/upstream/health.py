"""Active health checks: ask each endpoint now and then, and give requests only to those that are well.

The problem: what requests show is known only after some of them have failed, and nobody sends any to an endpoint
that was left out, to see whether it is back. The rule: one task for each endpoint, which asks, waits, and asks again,
so that checks never overlap. The first answer counts at once; after that so many in a row must agree before an endpoint
changes sides. Intervals vary by a tenth, so that workers do not ask in step.

Each worker checks for itself: it is its own way to the endpoint that matters.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.spec.certificates import Unusable
from gateway.spec.endpoints import HealthCheck as Spec
from gateway.upstream.probe import Failed, probe

if TYPE_CHECKING:
    from gateway.upstream.cluster import Cluster
    from gateway.upstream.endpoint import Endpoint

log = logging.getLogger("gateway.cluster")

AT_ONCE: Final = 16
"""Checks of one cluster under way at one time."""
FIRST_WITHIN: Final = 1.0
"""Seconds over which first checks are spread."""
JITTER: Final = 0.1


@dataclass(slots=True)
class Health:
    """What is known of one endpoint."""

    passing: bool = True
    """Until a check says otherwise."""
    asked: bool = False
    against: int = 0
    """Results in a row that speak against `passing`."""
    why: str = ""
    """What was wrong with the last bad answer."""


class HealthChecks:
    """Checks the endpoints of one cluster."""

    def __init__(self, spec: Spec, cluster: Cluster) -> None:
        self._spec = spec
        self._cluster = cluster
        self._running = False
        self._tasks: dict[Endpoint, asyncio.Task[None]] = {}
        self._room = asyncio.Semaphore(AT_ONCE)

    def start(self) -> None:
        """Begin, unless begun."""
        self._running = True
        self.follow()

    def follow(self) -> None:
        """Check those endpoints that the cluster has now."""
        if not self._running:
            return
        for endpoint in [one for one in self._tasks if one.retired]:
            self._tasks.pop(endpoint).cancel()
        for endpoint in self._cluster.endpoints:
            if endpoint not in self._tasks:
                self._tasks[endpoint] = asyncio.get_running_loop().create_task(self._watch(endpoint))

    def stop(self) -> None:
        """Check nobody any more."""
        self._running = False
        while self._tasks:
            self._tasks.popitem()[1].cancel()

    async def _watch(self, endpoint: Endpoint) -> None:
        spec, random = self._spec, self._cluster.random
        await asyncio.sleep(min(FIRST_WITHIN, spec.interval) * random.random())
        while True:
            async with self._room:
                reason, why = await self._check(endpoint)
            self._cluster.metrics.health_checks.add(self._cluster.name, reason or "ok")
            self.result(endpoint, why)
            await asyncio.sleep(spec.interval * (1 + JITTER * (2 * random.random() - 1)))

    async def _check(self, endpoint: Endpoint) -> tuple[str, str]:
        """What is wrong, as a label and in words; both empty when nothing is."""
        spec, tls = self._spec, self._cluster.tls
        try:
            async with asyncio.timeout(spec.timeout):
                status = await probe(endpoint, spec.path, spec.host or endpoint.authority, tls)
        except TimeoutError:
            return "timeout", f"no answer within {spec.timeout:g} s"
        except (OSError, Unusable) as error:
            by_tls = tls is not None and tls.failed(error)
            return ("tls_failure", "TLS failed") if by_tls else ("connect_failure", "no connection")
        except Failed as error:
            return ("tls_failure", "TLS failed") if error.by_tls else ("broken_answer", str(error))
        except Exception:  # a fault of ours: told, counted, and no reason to stop asking
            log.exception("cluster %s: the health check of %s failed", self._cluster.name, endpoint.address)
            return "fault", "the check itself failed"
        return ("", "") if status in spec.expected_statuses else ("status", f"status {status}")

    def result(self, endpoint: Endpoint, why: str) -> None:
        """One check is over; `why` says what is wrong, and nothing when nothing is."""
        health = endpoint.health = endpoint.health or Health()
        good, first = not why, not health.asked
        health.asked = True
        if why:
            health.why = why
        else:
            endpoint.failures = 0  # somebody has connected
        if good is health.passing:
            health.against = 0
        else:
            health.against += 1
            needed = self._spec.healthy_threshold if good else self._spec.unhealthy_threshold
            if first or health.against >= needed:
                self._turn(endpoint, health)
        if good and health.passing and self._cluster.outliers is not None:
            self._cluster.outliers.good_check(endpoint)

    def _turn(self, endpoint: Endpoint, health: Health) -> None:
        health.passing, health.against = not health.passing, 0
        if health.passing:
            log.info("cluster %s: endpoint %s is healthy again", self._cluster.name, endpoint.address)
        else:
            log.warning("cluster %s: endpoint %s is unhealthy: %s", self._cluster.name, endpoint.address, health.why)
        self._cluster.reconsider(endpoint)
