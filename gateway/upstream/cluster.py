"""A cluster: endpoints that do the same work, and the connections to them.

The problem: a request needs one connection now, or must wait for one, within bounds (Envoy's circuit thresholds:
connections and pending requests). The rule: a kept connection is given at once, without a task or an await; only
when none is idle is one opened, and only when all are open does a request wait in a bounded queue.

When the configuration changes, a cluster that did not change is kept with its connections; one that changed
passes its endpoints on to its successor and retires: what is in flight ends, nothing is kept.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from random import Random
from typing import Protocol

from gateway.http.client import ClientConnection
from gateway.spec.certificates import Unusable
from gateway.spec.models import Cluster as ClusterSpec
from gateway.upstream.balancer import BALANCERS
from gateway.upstream.discovery import Discovery
from gateway.upstream.endpoint import Endpoint, LimitedEndpoint
from gateway.upstream.retry import Budget
from gateway.upstream.tls import UpstreamTls


class Waiter(Protocol):
    """An exchange that waits for a connection."""

    def connected(self, connection: ClientConnection, endpoint: Endpoint) -> None:
        """Here is the connection."""

    def connect_failed(self, reason: str, endpoint: Endpoint | None) -> None:
        """There will be none, and why; without an endpoint when none was found to connect to."""


class Unavailable(Exception):
    """No connection can be had: `reason` is `no_endpoint` or `upstream_overflow`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


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
    ) -> None:
        """`discovery` finds the endpoints, when it is started; without it they are `addresses`."""
        self.spec = spec
        self.tls = tls
        self.name = spec.name
        self.clock = clock
        self.discovery = discovery
        self.authorities: Mapping[str, str] = {}
        """By address: the endpoint as the configuration names it, where that is a host name."""
        self.absence = "no_endpoint"
        """Why there is no endpoint, while there is none."""
        self._kind = LimitedEndpoint if spec.max_requests_per_connection else Endpoint
        self.endpoints = tuple(self._kind(address, self) for address in addresses) if discovery is None else ()
        self._leaving: set[Endpoint] = set()
        self.retired = False
        self.pending: deque[Waiter] = deque()
        self.budget = Budget(spec.retry_budget)
        self._pick = BALANCERS[spec.load_balancing](random)
        self._tasks: set[asyncio.Task[None]] = set()

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

    def start(self) -> None:
        """Begin to find endpoints, if they are to be found."""
        if self.discovery is not None:
            self.discovery.start(self)

    def replace_endpoints(self, addresses: Sequence[str]) -> None:
        """Other endpoints: those that stay keep their state, those that go are drained."""
        before = {one.address: one for one in self.endpoints}
        self.endpoints = tuple(before.pop(one) if one in before else self._kind(one, self) for one in addresses)
        for gone in before.values():
            gone.retire()
            self._leaving.add(gone)
        self._leaving = {one for one in self._leaving if one.open or one.connecting}
        if self.retired:
            self.retire()

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

    def acquire(
        self, waiter: Waiter, fresh: bool = False, avoid: Collection[Endpoint] = ()
    ) -> tuple[ClientConnection, Endpoint] | None:
        """A connection now, or None: then the waiter is told later.

        Args:
            waiter: told by `connected` or `connect_failed` when there is none at once.
            fresh: never a kept connection, which may be about to close.
            avoid: endpoints that were tried already; used only when there is no other.

        Raises:
            Unavailable: there is no endpoint, or too many requests wait already.
        """
        if not self.endpoints:
            self._wait_for_endpoints(waiter)
            return None
        endpoint = self._pick(self.endpoints if not avoid else self._others(avoid) or self.endpoints)
        if not fresh:
            connection = endpoint.take_idle()
            if connection is not None:
                return connection, endpoint
        if self.connections < self.spec.max_connections:
            self._open(endpoint, waiter)
        elif len(self.pending) < self.spec.max_pending:
            self.pending.append(waiter)
        else:
            raise Unavailable("upstream_overflow")
        return None

    def _others(self, avoid: Collection[Endpoint]) -> list[Endpoint]:
        return [one for one in self.endpoints if one not in avoid]

    def _wait_for_endpoints(self, waiter: Waiter) -> None:
        if self.discovery is None or self.discovery.answered.is_set():
            raise Unavailable(self.absence)
        if len(self.pending) >= self.spec.max_pending:
            raise Unavailable("upstream_overflow")
        self.pending.append(waiter)

    def forget(self, waiter: Waiter) -> None:
        """The waiter no longer wants a connection."""
        if waiter in self.pending:
            self.pending.remove(waiter)

    def hand_on(self, connection: ClientConnection, endpoint: Endpoint) -> None:
        """Give a freed connection to whoever waits longest; somebody does."""
        endpoint.occupy(connection)
        self.pending.popleft().connected(connection, endpoint)

    def connection_freed(self) -> None:
        """A connection ended: a waiting request may open another."""
        if self.pending and self.endpoints and self.connections < self.spec.max_connections:
            self._open(self._pick(self.endpoints), self.pending.popleft())

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
        waiter.connect_failed(reason, endpoint)
        self.connection_freed()

    def sweep(self, now: float) -> None:
        """Close connections that were idle for too long, or that should end for another reason."""
        for endpoint in self.endpoints:
            endpoint.sweep(now)
        if self.tls is not None:
            self.tls.sweep()

    def retire(self) -> None:
        """The configuration no longer knows this cluster: finish what is in flight, keep nothing."""
        self.retired = True
        if self.discovery is not None:
            self.discovery.stop()
        for endpoint in self.endpoints:
            endpoint.retire()
