"""A cluster whose endpoint is whatever host the request names (Envoy: dynamic_forward_proxy).

The problem: services call third parties whose names nobody listed one by one, and every name is chosen by who asks: it
can lead inside, and a thousand of them can fill memory with resolved names and open connections. The rule: a request
says where it wants to go in its target; host and port must be on the lists, the addresses behind the name must pass the
policy, and only then there is a cluster for exactly this name and port, an ordinary one that finds its endpoints by
DNS. So whatever holds for clusters holds here: kept connections, the certificate's name, draining.

How many of these there are is bounded; the one not used for longest goes, and only if nothing is in flight on it.
A name that was not resolved, or only to what is denied, is remembered as such for `dns.retry`. Connections and waiting
requests are counted over all of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from itertools import chain
from random import Random
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.http.client import ClientConnection
from gateway.observability.metrics import Metrics
from gateway.observability.registry import Counter
from gateway.routing.hosts import names_for
from gateway.spec.endpoints import ClusterEndpoint
from gateway.spec.models import Addresses, Forward
from gateway.spec.models import Cluster as ClusterSpec
from gateway.upstream.cluster import Cluster, Unavailable, Waiter
from gateway.upstream.discovery import Discovery
from gateway.upstream.endpoint import Endpoint
from gateway.upstream.resolver import Resolver
from gateway.upstream.tls import UpstreamTls

if TYPE_CHECKING:
    from gateway.http.messages import Request

_AUTHORITY: Final = re.compile(r"([a-z0-9._-]{1,253}|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?")
EVERY_HOST: Final = "*"


class Target(NamedTuple):
    """Where a request wants to go."""

    host: str
    port: int
    tunnel: bool
    """By CONNECT: apart, so that it never gets a connection that has carried requests; its own are never kept."""


class _Known:
    """One name and port that is called."""

    __slots__ = ("cluster", "discovery", "failed_since", "used")

    def __init__(self, cluster: Cluster, discovery: Discovery, used: float) -> None:
        self.cluster, self.discovery, self.used = cluster, discovery, used
        self.failed_since: float | None = None

    def in_use(self) -> bool:
        """Whether requests wait or are in flight."""
        kept = sum(len(endpoint.idle) for endpoint in self.cluster.endpoints)
        return bool(self.cluster.pending) or self.cluster.connections > kept


class ForwardCluster(Cluster):
    """The observed state of all names that are called."""

    def __init__(
        self,
        spec: ClusterSpec,
        forward: Forward,
        resolver: Resolver,
        resolutions: Counter,
        clock: Callable[[], float],
        random: Random,
        tls: UpstreamTls | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        super().__init__(spec, (), clock, random, tls, metrics=metrics)
        self.forward = forward
        self._hosts = frozenset(forward.hosts)
        self._resolver = resolver
        self._resolutions = resolutions
        self._random = random
        self._known: dict[Target, _Known] = {}  # the one used last stands last

    def __repr__(self) -> str:
        return f"<ForwardCluster {self.name} {list(self._known)}>"

    @property
    def connections(self) -> int:
        """Of all names."""
        return sum(one.cluster.connections for one in self._known.values())

    def judge(self, request: Request) -> Target:
        """Where the request goes, if its host and port may be called.

        Raises:
            Unavailable: `egress_host_denied` or `egress_port_denied`.
        """
        found = _AUTHORITY.fullmatch(request.host)
        if found is None:
            raise Unavailable("egress_host_denied")
        host, tunnel = found[1].strip("[]"), request.method == "CONNECT"
        if EVERY_HOST not in self._hosts and self._hosts.isdisjoint(filter(None, names_for(host))):
            raise Unavailable("egress_host_denied")
        port = int(found[2]) if found[2] else 443 if self.tls else 80
        if port not in (self.forward.tunnel_ports if tunnel else self.forward.ports):
            raise Unavailable("egress_port_denied")
        return Target(host, port, tunnel)

    def acquire(
        self,
        waiter: Waiter,
        fresh: bool = False,
        avoid: Collection[Endpoint] = (),
        wanted: Endpoint | None = None,
    ) -> tuple[ClientConnection, Endpoint] | None:
        """As `Cluster.acquire`, for the host that the waiter's request names; `wanted` could be another host's."""
        target = self.judge(waiter.request)
        known = self._known.pop(target, None)
        now = self.clock()
        if known is not None and self._stale(known, now):
            known.cluster.retire()
            known = None
        if known is None:
            known = self._begin(target, now)
        self._known[target] = known
        known.used = now
        cluster = known.cluster
        idle = any(endpoint.idle for endpoint in cluster.endpoints)
        if (fresh or not idle) and self._load() >= self.spec.max_connections:
            raise Unavailable("upstream_overflow")
        return cluster.acquire(waiter, fresh, avoid)

    def _load(self) -> int:
        return sum(one.cluster.connections + len(one.cluster.pending) for one in self._known.values())

    def _stale(self, known: _Known, now: float) -> bool:
        """Whether a failure is so old that the name is asked about again."""
        if not known.discovery.failed:
            return False
        if known.failed_since is None:
            known.failed_since = now
        return now - known.failed_since >= self.spec.dns.retry

    def _begin(self, target: Target, now: float) -> _Known:
        """A cluster for one name.

        Raises:
            Unavailable: `egress_overflow`: as many names as there may be are in use.
        """
        if len(self._known) >= self.forward.max_hosts:
            self._make_room()
        host = f"[{target.host}]" if ":" in target.host else target.host
        spec = self.spec.model_copy(
            update={
                "forward": None,
                "endpoints": (ClusterEndpoint(address=f"{host}:{target.port}"),),
                "addresses": self.spec.addresses or Addresses(),
            }
        )
        discovery = Discovery(spec, self._resolver, self._resolutions, lasting=False, changed=self._collect)
        cluster = Cluster(spec, (), self.clock, self._random, self.tls, discovery, self.metrics)
        cluster.start()
        if self.retired:  # a request of before the reload: it is served, and nothing is kept
            cluster.retire()
        return _Known(cluster, discovery, now)

    def _make_room(self) -> None:
        """Forget a name: one that failed, else the one not used for longest; never one in use."""
        unused = [target for target, one in self._known.items() if not one.in_use()]
        if not unused:
            raise Unavailable("egress_overflow")
        failed = (target for target in unused if self._known[target].discovery.failed)
        self._forget(next(failed, unused[0]))

    def _forget(self, target: Target) -> None:
        self._known.pop(target).cluster.retire()
        self._collect()

    def _collect(self) -> None:
        """What there is to see of endpoints."""
        self.endpoints = tuple(chain.from_iterable(one.cluster.endpoints for one in self._known.values()))

    def forget(self, waiter: Waiter) -> None:
        """The waiter no longer wants a connection."""
        for one in self._known.values():
            one.cluster.forget(waiter)

    def sweep(self, now: float) -> None:
        """Close connections that were idle for too long; let go of names that nobody calls any more."""
        for target, one in list(self._known.items()):
            one.cluster.sweep(now)
            unused = self._stale(one, now) or now - one.used >= self.forward.forget
            if unused and not one.in_use():
                self._forget(target)

    def retire(self) -> None:
        """As `Cluster.retire`, for all names."""
        super().retire()
        for one in self._known.values():
            one.cluster.retire()
