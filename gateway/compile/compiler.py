"""Spec → Snapshot.

The problem: a reload must not close connections, forget limits or fetch keys again where nothing changed. The
rule: whatever has observed state (a cluster's connections, a limit's buckets, an issuer's keys) is taken over from
the snapshot before when its own part of the spec is the same, and built anew when it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from gateway.compile.snapshot import CanaryRoute, CompiledRoute, Snapshot
from gateway.compile.table import filter_classes
from gateway.filters.base import Build
from gateway.filters.cache_store import Zone
from gateway.filters.chain import AnyFilter, Chain
from gateway.filters.provider import Provider
from gateway.observability.metrics import Metrics
from gateway.routing.table import RouteTable
from gateway.spec.errors import fault
from gateway.spec.models import CacheZone, FilterSpec, Spec
from gateway.spec.models import Cluster as ClusterSpec
from gateway.spec.models import Route as RouteSpec
from gateway.spec.models import Store as StoreSpec
from gateway.upstream.canary import Canary
from gateway.upstream.cluster import Cluster
from gateway.upstream.discovery import Discovery, needs_discovery
from gateway.upstream.forward import ForwardCluster
from gateway.upstream.mesh_tls import MeshTls
from gateway.upstream.redis_account import Account
from gateway.upstream.resolver import Resolver, SystemResolver
from gateway.upstream.store import Store
from gateway.upstream.tls import UpstreamTls
from gateway.upstream.workload import Workload

Endpoints = Mapping[str, Sequence[str]]
"""Addresses by service name, as the registry knows them."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """What compiled parts share."""

    metrics: Metrics
    clock: Callable[[], float]
    wall: Callable[[], float]
    random: Random
    redis: Account | None = None
    """Who we are to the Redis that the supervisor runs, if it runs one."""
    workload: Workload | None = None
    """Who we are in the mesh, if there is one."""
    app_secret: str = field(default="", repr=False)
    """In a sidecar: what it and its service know."""
    resolver: Resolver = field(default_factory=SystemResolver)
    """Who knows the addresses of host names."""


def compile_spec(spec: Spec, endpoints: Endpoints, version: int, runtime: Runtime, before: Snapshot) -> Snapshot:
    """A complete snapshot; `before` keeps serving until the caller swaps them.

    Raises:
        KeyError: a reference that the loader should have refused.
        ValueError: a store of the supervisor's Redis where it runs none; a filter that cannot be made.
    """
    clusters = {one.name: _cluster(one, endpoints, runtime, before) for one in spec.clusters}
    providers = {one.name: _provider(one.name, spec, clusters, runtime, before) for one in spec.providers}
    stores = {one.name: _store(one, runtime, before) for one in spec.stores}
    caches = {one.name: _cache(one, runtime, before) for one in spec.caches}
    canaries = {one.name: _canary(one, before) for one in spec.routes if one.canary}
    build = Build(
        providers,
        runtime.metrics,
        runtime.clock,
        runtime.wall,
        stores,
        clusters=clusters,
        caches=caches,
        app_secret=runtime.app_secret,
        random=runtime.random,
    )
    filters: dict[tuple[str, int], AnyFilter] = {}

    def chain_filters(route: str, specs: Sequence[FilterSpec]) -> list[AnyFilter]:
        of_route = replace(build, route=route)
        for position, one in enumerate(specs):
            filters[route, position] = _filter(one, (route, position), of_route, before)
        return [filters[route, position] for position in range(len(specs))]

    shared = chain_filters("", spec.filters)
    routes = [
        _route(route, Chain([*shared, *chain_filters(route.name, route.filters)], runtime.metrics), clusters, canaries)
        for route in spec.routes
    ]
    tables = {
        listener.name: RouteTable([(one.spec, one) for one in routes if _serves(one, listener.name)])
        for listener in spec.listeners
    }
    return Snapshot(version, spec, tables, clusters, providers, filters, stores, canaries, caches)


def _route(
    spec: RouteSpec, chain: Chain, clusters: Mapping[str, Cluster], canaries: Mapping[str, Canary]
) -> CompiledRoute:
    backends = [(clusters[ref.cluster], ref.weight) for ref in spec.backend_refs]
    if spec.canary is None:
        return CompiledRoute(spec, chain, backends)
    return CanaryRoute(spec, chain, backends, canaries[spec.name], clusters[spec.canary.cluster])


def _canary(spec: RouteSpec, before: Snapshot) -> Canary:
    assert spec.canary is not None
    old = before.canaries.get(spec.name)
    return old if old is not None and old.spec == spec.canary else Canary(spec.canary)


def _serves(route: CompiledRoute, listener: str) -> bool:
    """A route names its listeners, unless there is only one (the loader insists)."""
    return not route.spec.listeners or listener in route.spec.listeners


def _cluster(spec: ClusterSpec, endpoints: Endpoints, runtime: Runtime, before: Snapshot) -> Cluster:
    addresses = tuple(endpoints.get(spec.service, ())) if spec.service else spec.endpoints
    old = before.clusters.get(spec.name)
    if old is not None and old.spec == spec and _found_the_same(old, addresses):
        return old
    tls = _tls(spec, runtime)
    if spec.forward is not None:
        resolutions = runtime.metrics.dns_resolutions
        return ForwardCluster(spec, spec.forward, runtime.resolver, resolutions, runtime.clock, runtime.random, tls)
    return Cluster(spec, addresses, runtime.clock, runtime.random, tls, _discovery(spec, runtime, old))


def _found_the_same(cluster: Cluster, addresses: Sequence[str]) -> bool:
    """Whether a cluster of an unchanged configuration has the endpoints that it should have."""
    finds_itself = cluster.discovery is not None or cluster.spec.forward is not None
    return finds_itself or tuple(one.address for one in cluster.endpoints) == tuple(addresses)


def _discovery(spec: ClusterSpec, runtime: Runtime, old: Cluster | None) -> Discovery | None:
    if not needs_discovery(spec):
        return None
    discovery = Discovery(spec, runtime.resolver, runtime.metrics.dns_resolutions)
    if old is not None and old.discovery is not None and old.spec.dns == spec.dns:
        discovery.continue_from(old.discovery)
    return discovery


def _tls(spec: ClusterSpec, runtime: Runtime) -> UpstreamTls | None:
    if spec.tls is None:
        return None
    metrics = runtime.metrics
    if spec.tls.identity is None:
        return UpstreamTls(spec.name, spec.tls, metrics.upstream_tls_failures, runtime.wall)
    if runtime.workload is None:
        raise ValueError(f'cluster "{spec.name}" names an identity, and this process has none: it runs in no mesh')
    return MeshTls(
        spec.name, spec.tls, metrics.upstream_tls_failures, runtime.wall, runtime.workload, metrics.mesh_revoked
    )


def _provider(name: str, spec: Spec, clusters: Mapping[str, Cluster], runtime: Runtime, before: Snapshot) -> Provider:
    wanted = next(one for one in spec.providers if one.name == name)
    cluster = clusters[wanted.jwks.cluster]
    old = before.providers.get(name)
    if old is not None and old.spec == wanted and old.cluster is cluster:
        return old
    return Provider(wanted, cluster, runtime.metrics, runtime.clock)


def _store(spec: StoreSpec, runtime: Runtime, before: Snapshot) -> Store:
    account = runtime.redis
    if spec.address is not None:
        ca = spec.tls.ca if spec.tls else None
        account = Account(spec.address, spec.user, spec.password or "", spec.password_file, tls=bool(spec.tls), ca=ca)
    if account is None:
        raise ValueError(
            f'store "{spec.name}" is the supervisor\'s Redis, and it runs none: restart it, or name an address'
        )
    old = before.stores.get(spec.name)
    if old is not None and (old.spec, old.account) == (spec, account):
        return old
    return Store(spec, account, runtime.metrics, runtime.clock)


def _cache(spec: CacheZone, runtime: Runtime, before: Snapshot) -> Zone:
    old = before.caches.get(spec.name)
    return old if old is not None and old.spec == spec else Zone(spec, runtime.clock)


def _filter(spec: FilterSpec, place: tuple[str, int], build: Build, before: Snapshot) -> AnyFilter:
    old = before.filters.get(place)
    if old is not None and _same(old.spec, spec) and old.kept_with(build):
        old.where = spec.where
        return old
    try:
        return filter_classes()[spec.type].make(spec, build)
    except Exception as error:
        raise ValueError(f"{spec.where}: the filter {spec.type} cannot be made: {fault(error)}") from error


def _same(one: FilterSpec, other: FilterSpec) -> bool:
    """Equal in all but the line they stand in."""
    return type(one) is type(other) and one.model_copy(update={"where": ""}) == other.model_copy(update={"where": ""})


def retired(before: Snapshot, now: Snapshot) -> tuple[list[Cluster], list[Provider | Store]]:
    """What the new snapshot no longer uses: the caller lets clusters finish and closes providers and stores."""
    clusters = [one for name, one in before.clusters.items() if now.clusters.get(name) is not one]
    providers = [one for name, one in before.providers.items() if now.providers.get(name) is not one]
    stores = [one for name, one in before.stores.items() if now.stores.get(name) is not one]
    return clusters, [*providers, *stores]
