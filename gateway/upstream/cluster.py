"""A cluster: endpoints that do the same work, and the connections to them.

The problem: a request needs one connection now, or must wait for one, within bounds (Envoy's circuit thresholds:
connections and pending requests). The rule: a kept connection is given at once, without a task or an await; only
when none is idle is one opened, and only when all are open does a request wait in a bounded queue.

A request is given to one of the endpoints that are usable: those that `outliers` and `health` do not speak against.
When fewer than `panicThreshold` percent are, all of them are used (Envoy: panic mode): then it is likelier that the
judgement is wrong, or that the few would break down under everybody's load. What can be used changes seldom, so the
balancer is made anew then, and a request only asks it.

When the configuration changes, a cluster that did not change is kept with its connections; one of which only the
endpoints changed keeps those that stay, with connections and all that is known of them; any other retires and is
followed by a new one: what is in flight ends, nothing is kept.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from random import Random
from typing import Protocol

from gateway.http.client import ClientConnection
from gateway.http.messages import Request
from gateway.observability.metrics import Metrics
from gateway.spec.certificates import Unusable
from gateway.spec.models import Cluster as ClusterSpec
from gateway.upstream.balancer import Balancer, Nobody, NobodyHealthy, Unavailable, balancer
from gateway.upstream.discovery import Discovery
from gateway.upstream.endpoint import Endpoint, LimitedEndpoint
from gateway.upstream.health import HealthChecks
from gateway.upstream.outliers import OutlierDetection
from gateway.upstream.retry import Budget
from gateway.upstream.ring import Ring, RingHash, key_function
from gateway.upstream.tls import UpstreamTls

__all__ = ["Cluster", "Unavailable", "Waiter"]

log = logging.getLogger("gateway.cluster")


class Waiter(Protocol):
    """An exchange that waits for a connection."""

    request: Request
    """What it wants to send; `ring_hash` looks at it."""

    def connected(self, connection: ClientConnection, endpoint: Endpoint) -> None:
        """Here is the connection."""

    def connect_failed(self, reason: str, endpoint: Endpoint | None) -> None:
        """There will be none, and why; without an endpoint when none was found to connect to."""


class Cluster:
    """The observed state of one cluster: endpoints, connections, waiting requests."""

    def __init__(
        self,
        spec: ClusterSpec,
        addresses: Sequence[str],
        clock: Callable[[], float],
        random: Random,
        tls: UpstreamTls | None = None,
        discovery: Discovery | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        """`discovery` finds the endpoints, when it is started; without it they are `addresses`."""
        self.spec = spec
        self.tls = tls
        self.name = spec.name
        self.clock = clock
        self.random = random
        self.metrics = metrics or Metrics()
        self.discovery = discovery
        self.authorities: Mapping[str, str] = {}
        """By address: the endpoint as the configuration names it, where that is a host name."""
        self.absence = "no_endpoint"
        """Why there is no endpoint, while there is none."""
        self.endpoints: tuple[Endpoint, ...] = ()
        self._leaving: set[Endpoint] = set()
        self.retired = False
        self.panicking = False
        """Whether so few endpoints are usable that all are used."""
        self.pending: deque[Waiter] = deque()
        self.budget = Budget(spec.retry_budget)
        self.outliers = OutlierDetection(spec.outlier_detection, self) if spec.outlier_detection else None
        self.health = HealthChecks(spec.health_check, self) if spec.health_check else None
        self._counts_requests = spec.max_requests < spec.max_connections
        """Each request in flight has a connection, so that a larger bound than theirs is none."""
        self._hash_key = key_function(spec.hash_on) if spec.hash_on else None
        self._tasks: set[asyncio.Task[None]] = set()
        self.replace_endpoints(addresses if discovery is None else ())

    def __repr__(self) -> str:
        return f"<Cluster {self.name} pending={len(self.pending)} {list(self.endpoints)}>"

    @property
    def connections(self) -> int:
        """Open connections and those being opened."""
        return sum(endpoint.open + endpoint.connecting for endpoint in (*self.endpoints, *self._leaving))

    def leaving(self, address: str) -> int:
        """Connections that an endpoint which is left out still has or is given, and who may wait for one of them."""
        gone = [one for one in (*self.endpoints, *self._leaving) if one.address == address and one.retired]
        return sum(one.open + one.connecting for one in gone) + (len(self.pending) if gone and self.retired else 0)

    def had(self, address: str) -> bool:
        """Whether it is a former cluster with this endpoint: a request that began with it may still go there."""
        return self.retired and any(one.address == address for one in self.endpoints)

    def endpoints_known(self) -> None:
        """Whoever waited for the first endpoints gets a connection, or gets to know why not."""
        waiting, self.pending = self.pending, deque()
        for waiter in waiting:
            try:
                taken = self.acquire(waiter)
            except Unavailable as error:
                waiter.connect_failed(error.reason, None)
            else:
                if taken is not None:
                    waiter.connected(*taken)

    @property
    def requests(self) -> int:
        """Requests in flight, and those whose connection is being opened."""
        return sum(endpoint.active + endpoint.connecting for endpoint in (*self.endpoints, *self._leaving))

    def acquire(
        self,
        waiter: Waiter,
        fresh: bool = False,
        avoid: Collection[Endpoint] = (),
        wanted: Endpoint | None = None,
    ) -> tuple[ClientConnection, Endpoint] | None:
        """A connection now, or None: then the waiter is told later.

        Args:
            waiter: told by `connected` or `connect_failed` when there is none at once.
            fresh: never a kept connection, which may be about to close.
            avoid: endpoints that were tried already; used only when there is no other.
            wanted: the endpoint of the client's session, if it has one; used as long as it is usable.

        Raises:
            Unavailable: there is no endpoint, or no usable one, or too many requests wait or are in flight already.
        """
        if not self.endpoints:
            self._wait_for_endpoints(waiter)
            return None
        endpoint = self._pick(waiter) if wanted is None and not avoid else self._pick_for(waiter, avoid, wanted)
        if not fresh:
            connection = endpoint.take_idle()
            if connection is not None:
                return connection, endpoint
        if self.connections < self.spec.max_connections or self._made_room():
            self._open(endpoint, waiter)
        elif len(self.pending) < self.spec.max_pending:
            self.pending.append(waiter)
        else:
            self._overflow("pending")
        return None

    def _wait_for_endpoints(self, waiter: Waiter) -> None:
        if not self._awaits_endpoints:
            raise Unavailable(self.absence)
        if len(self.pending) >= self.spec.max_pending:
            self._overflow("pending")
        self.pending.append(waiter)

    @property
    def _awaits_endpoints(self) -> bool:
        """Whether there are none yet, because names were not resolved yet."""
        return not self.endpoints and self.discovery is not None and not self.discovery.answered.is_set()

    def _made_room(self) -> bool:
        """Whether a connection that is kept for another endpoint could be closed instead: the longest unused one.

        Else a request would wait for connections that nobody uses, until they are closed for their age.
        """
        oldest = min((one for one in self.endpoints if one.idle), key=lambda one: one.idle[0].idle_since, default=None)
        if oldest is not None:
            oldest.idle.pop(0).transport.close()
        return oldest is not None

    def _pick_for(self, waiter: Waiter, avoid: Collection[Endpoint], wanted: Endpoint | None) -> Endpoint:
        if self._counts_requests:
            self._count_requests()
        if wanted is not None and wanted not in avoid and self.uses(wanted):
            return wanted
        return self._balancer.pick_other(waiter, avoid) if avoid else self._balancer.pick(waiter)

    def _pick_counted(self, waiter: Waiter) -> Endpoint:
        self._count_requests()
        return self._balancer.pick(waiter)

    def _count_requests(self) -> None:
        if self.requests >= self.spec.max_requests:
            self._overflow("requests")

    def _overflow(self, threshold: str) -> None:
        self.metrics.overflows.add(self.name, threshold)
        raise Unavailable("upstream_overflow")

    def forget(self, waiter: Waiter) -> None:
        """The waiter no longer wants a connection."""
        if waiter in self.pending:
            self.pending.remove(waiter)

    def hand_on(self, connection: ClientConnection, endpoint: Endpoint) -> None:
        """Give a freed connection to whoever waits longest; somebody does."""
        if not self.uses(endpoint):  # it went bad meanwhile: another connection takes this one's place
            connection.transport.close()
            return
        endpoint.occupy(connection)
        self.pending.popleft().connected(connection, endpoint)

    def connection_freed(self) -> None:
        """A connection ended: a waiting request may open another."""
        while self.pending and not self._awaits_endpoints and self.connections < self.spec.max_connections:
            waiter = self.pending.popleft()
            try:
                chosen = self._balancer.pick(waiter)
            except Unavailable as error:  # the endpoints went while it waited
                waiter.connect_failed(error.reason if self.endpoints else self.absence, None)
            else:
                self._open(chosen, waiter)

    # -- which endpoints there are, and which can be used ----------------------------------------------------

    def replace_endpoints(self, addresses: Sequence[str], weights: Mapping[str, int] | None = None) -> None:
        """Other endpoints: those that stay keep their connections and all that is known of them, others are drained.

        Args:
            addresses: all of them, each once.
            weights: by address, or by the name that it was found by; left out, those of the spec, 1 for any other.
        """
        if weights is None:
            weights = {one.address: one.weight for one in self.spec.endpoints}
        before = {one.address: one for one in self.endpoints}
        kind = LimitedEndpoint if self.spec.max_requests_per_connection else Endpoint
        self.endpoints = tuple(before.pop(one) if one in before else kind(one, self) for one in addresses)
        for one in self.endpoints:
            one.weight = weights.get(one.address, weights.get(one.authority, 1))
        for gone in before.values():
            gone.retire()
            self._leaving.add(gone)
        self._leaving = {one for one in self._leaving if one.open or one.connecting}
        if self.spec.load_balancing == "ring_hash":
            self._ring = Ring(self.endpoints)
        self._choose_anew()
        if self.health is not None:
            self.health.follow()
        if self.retired:
            self.retire()

    def update(self, spec: ClusterSpec, addresses: Sequence[str]) -> None:
        """Take up a spec that differs in its endpoints only."""
        self.spec = spec
        self.replace_endpoints(addresses)

    def reconsider(self, endpoint: Endpoint) -> None:
        """Something has become known of an endpoint: it may be usable now, or no longer."""
        outlier, health = endpoint.outlier, endpoint.health
        usable = (outlier is None or not outlier.until) and (health is None or health.passing)
        if usable is endpoint.usable:
            return
        endpoint.usable = usable
        if not usable:
            endpoint.close()
        self._choose_anew()

    def uses(self, endpoint: Endpoint) -> bool:
        """Whether this endpoint of the cluster gets requests."""
        return not endpoint.retired and (endpoint.usable or self.panicking)

    def _choose_anew(self) -> None:
        usable = [one for one in self.endpoints if one.usable]
        panicking = len(usable) * 100 < len(self.endpoints) * self.spec.panic_threshold
        if panicking is not self.panicking:
            self.panicking = panicking
            told = "all are used" if panicking else "only usable ones are used again"
            log.warning("cluster %s: %d of %d endpoints usable: %s", self.name, len(usable), len(self.endpoints), told)
        self._balancer = self._balancer_of(self.endpoints if panicking else tuple(usable))
        self._pick: Callable[[Waiter], Endpoint] = self._pick_counted if self._counts_requests else self._balancer.pick

    def _balancer_of(self, endpoints: Sequence[Endpoint]) -> Balancer:
        if not endpoints:
            return (NobodyHealthy if self.endpoints else Nobody)((), self.random)
        if self._hash_key is not None:
            return RingHash(endpoints, self.random, self._ring, self._hash_key)
        return balancer(self.spec.load_balancing, endpoints, self.random)

    # -- opening connections ---------------------------------------------------------------------------------

    def _open(self, endpoint: Endpoint, waiter: Waiter) -> None:
        endpoint.connecting += 1
        task = asyncio.get_running_loop().create_task(self._connect(endpoint, waiter))
        self._tasks.add(task)  # the loop keeps only a weak reference
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, endpoint: Endpoint, waiter: Waiter) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.spec.connect_timeout):
                options = self.tls.options(endpoint.server_name) if self.tls else {}
                _, connection = await loop.create_connection(
                    lambda: ClientConnection(endpoint), endpoint.host, endpoint.port, **options
                )
        except TimeoutError:
            self._failed(endpoint, waiter, "upstream_connect_timeout")
            return
        except (OSError, Unusable) as error:  # ssl.SSLError is an OSError
            by_tls = self.tls is not None and self.tls.failed(error)
            self._failed(endpoint, waiter, "upstream_tls_failure" if by_tls else "upstream_connect_failure")
            return
        endpoint.open += 1
        if connection.transport.is_closing():  # closed by the other side before we could use it
            self._failed(endpoint, waiter, "upstream_reset")
            return
        if self.tls is not None and not self.tls.admits(connection):
            connection.transport.abort()
            self._failed(endpoint, waiter, "upstream_tls_failure")
            return
        endpoint.connecting -= 1
        endpoint.failures = 0
        endpoint.occupy(connection)
        waiter.connected(connection, endpoint)

    def _failed(self, endpoint: Endpoint, waiter: Waiter, reason: str) -> None:
        endpoint.connecting -= 1
        endpoint.failures += 1
        if self.outliers is not None:
            self.outliers.result(endpoint, 0, reason)
        waiter.connect_failed(reason, endpoint)
        self.connection_freed()

    def start(self) -> None:
        """Begin to find endpoints and to check them, where that is to be done; as often as somebody likes."""
        if self.discovery is not None:
            self.discovery.start(self)
        if self.health is not None:
            self.health.start()

    def sweep(self, now: float) -> None:
        """Once a second: close connections that are idle too long or should end; let ejected endpoints come back."""
        for endpoint in self.endpoints:
            endpoint.sweep(now)
        if self.tls is not None:
            self.tls.sweep()
        if self.outliers is not None:
            self.outliers.sweep(now)

    def retire(self) -> None:
        """The configuration no longer knows this cluster: finish what is in flight, keep nothing."""
        self.retired = True
        if self.discovery is not None:
            self.discovery.stop()
        if self.health is not None:
            self.health.stop()
        for endpoint in self.endpoints:
            endpoint.retire()
