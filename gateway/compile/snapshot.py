"""Compiled state: everything a request needs, immutable, swapped by one assignment.

The problem: a reload must never show one request half of the old and half of the new configuration. The rule: a
Snapshot is complete before anyone sees it; a request takes the one that is there when it begins and its route,
chain and cluster all come from it.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Mapping, Sequence
from itertools import accumulate
from random import Random
from types import MappingProxyType
from typing import NamedTuple

from gateway.filters.cache_store import Zone
from gateway.filters.chain import AnyFilter, Chain
from gateway.filters.provider import Provider
from gateway.http.messages import Request
from gateway.routing.entry import Entry
from gateway.routing.table import RouteTable
from gateway.spec.models import Cluster as ClusterSpec
from gateway.spec.models import Listener, Route, Spec
from gateway.upstream.canary import Canary
from gateway.upstream.cluster import Cluster
from gateway.upstream.session import Place, Session
from gateway.upstream.store import Store
from gateway.upstream.tries import Tries

Backends = Sequence[tuple[Cluster, int]]
"""Clusters with their weights."""


class CompiledRoute:
    """A route, ready to serve."""

    __slots__ = (
        "_backends",
        "_cumulative",
        "canary",
        "chain",
        "errors",
        "idle_timeout",
        "name",
        "only_cluster",
        "preflights",
        "propagate",
        "public",
        "request_timeout",
        "session",
        "spec",
        "tries",
        "try_timeout",
        "where",
    )

    def __init__(self, spec: Route, chain: Chain, backends: Backends) -> None:
        """`backends` are clusters with their weights; those of weight 0 get nothing and are left out."""
        self.spec = spec
        self.name = spec.name
        self.where = spec.where
        self.public = spec.public
        self.errors = spec.errors
        self.chain = chain
        self.preflights = any(one.preflights for one in chain.filters)
        self.request_timeout = spec.timeouts.request
        self.try_timeout = spec.timeouts.backend_request
        self.idle_timeout = spec.timeouts.idle
        self.propagate = spec.timeouts.propagate
        self.tries = Tries.of(spec)
        """Retries and planted faults; None, and nothing else is asked, where there are none."""
        weighted = [(cluster, weight) for cluster, weight in backends if weight]
        self._backends = tuple(cluster for cluster, _ in weighted)
        self._cumulative = tuple(accumulate(weight for _, weight in weighted))
        self.only_cluster = self._backends[0] if len(self._backends) == 1 else None
        """The cluster of every request, where there is nothing to choose."""
        self.canary: Canary | None = None
        self.session: Session | None = None
        """Where clients come back to their endpoints; over all clusters of the route."""

    def __repr__(self) -> str:
        return f"<Route {self.name} {self.chain} → {', '.join(cluster.name for cluster in self._backends)}>"

    @property
    def clusters(self) -> tuple[Cluster, ...]:
        """The clusters that get traffic."""
        return self._backends

    def pick_cluster(self, request: Request, random: Random) -> Cluster:
        """The cluster for one request, by weight."""
        return self._backends[bisect(self._cumulative, random.random() * self._cumulative[-1])]

    def placed(self, request: Request) -> Place | None:
        """Where the client's session is, if that is where this request may go (a canary may have been taken back)."""
        found = self.session.place(request) if self.session is not None else None
        return found if found is not None and found[0] in self.possible(request) else None

    def possible(self, request: Request) -> tuple[Cluster, ...]:
        """The clusters of which one would get this request."""
        return self._backends


class CanaryRoute(CompiledRoute):
    """A route that gives a share of its requests to a canary."""

    __slots__ = ("_canary", "_canary_cluster")

    def __init__(self, spec: Route, chain: Chain, backends: Backends, canary: Canary, cluster: Cluster) -> None:
        super().__init__(spec, chain, backends)
        self.canary = self._canary = canary
        self._canary_cluster = cluster
        self.only_cluster = None

    @property
    def clusters(self) -> tuple[Cluster, ...]:
        """The stable ones, then the canary's."""
        return (*self._backends, self._canary_cluster)

    def pick_cluster(self, request: Request, random: Random) -> Cluster:
        """The canary's, or one of the others by their weights."""
        if self._canary.takes(request, random):
            return self._canary_cluster
        return super().pick_cluster(request, random)

    def possible(self, request: Request) -> tuple[Cluster, ...]:
        """Both sides, unless request or weight leave nothing to chance."""
        certain = self._canary.certain(request)
        if certain is None:
            return self.clusters
        return (self._canary_cluster,) if certain else self._backends


class Moved(NamedTuple):
    """A cluster that is taken over with other endpoints: they are its own as soon as the snapshot is in force."""

    cluster: Cluster
    spec: ClusterSpec
    addresses: tuple[str, ...]

    @property
    def elsewhere(self) -> bool:
        """Whether the file says other endpoints, and not only the registry."""
        return self.spec.endpoints != self.cluster.spec.endpoints


class Snapshot:
    """One version of the configuration, compiled."""

    __slots__ = (
        "caches", "canaries", "clusters", "filters", "moved", "providers", "spec", "stores", "tables", "version",
    )  # fmt: skip

    def __init__(
        self,
        version: int,
        spec: Spec,
        tables: Mapping[str, RouteTable[CompiledRoute]],
        clusters: Mapping[str, Cluster],
        providers: Mapping[str, Provider],
        filters: Mapping[tuple[str, int], AnyFilter],
        stores: Mapping[str, Store],
        canaries: Mapping[str, Canary],
        caches: Mapping[str, Zone] = MappingProxyType({}),
        moved: Sequence[Moved] = (),
    ) -> None:
        self.version = version
        self.spec = spec
        self.tables = tables
        """Per listener."""
        self.clusters = clusters
        self.providers = providers
        self.filters = filters
        """By route name and position; filters of every route stand under the name ''."""
        self.stores = stores
        self.canaries = canaries
        """By route."""
        self.caches = caches
        self.moved = moved

    @classmethod
    def empty(cls) -> Snapshot:
        """Version 0: before the first configuration; it routes nothing."""
        return cls(0, Spec(listeners=(Listener(name="none", port=0),)), {}, {}, {}, {}, {}, {})

    def __repr__(self) -> str:
        tables = "\n".join(f"listener {name}\n{table!r}" for name, table in self.tables.items())
        return f"<Snapshot version={self.version}>\n{tables}"

    def match(self, request: Request) -> CompiledRoute | None:
        """The most specific route for a request; sets what its prefix matched."""
        table = self.tables[request.listener]
        found = table.match(request.host, request.path, request.method, request)
        if found is None and request.method == "OPTIONS":
            found = _asked_about(table, request)
        if found is None:
            return None
        request.matched = found.prefix
        return found.target


def _asked_about(table: RouteTable[CompiledRoute], request: Request) -> Entry[CompiledRoute] | None:
    """For a CORS preflight that no route serves: the route of the request that it asks about, if that answers it."""
    method = request.get(b"access-control-request-method")
    if method is None or b"origin" not in request.fields:
        return None
    found = table.match(request.host, request.path, method, request)
    return found if found is not None and found.target.preflights else None
