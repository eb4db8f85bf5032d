"""Spec → Snapshot.

The problem: a reload must not close connections, forget limits or fetch keys again where nothing changed. The
rule: whatever has observed state (a cluster's connections, a limit's buckets, an issuer's keys) is taken over from
the snapshot before when its own part of the spec is the same, and built anew when it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from gateway.compile.snapshot import CanaryRoute, CompiledRoute, Moved, Snapshot
from gateway.compile.table import filter_classes
from gateway.filters.base import Build
from gateway.filters.cache_store import Zone
from gateway.filters.chain import AnyFilter, Chain
from gateway.filters.onward_tokens import Onward
from gateway.filters.provider import Provider
from gateway.filters.revocations import Revocations
from gateway.filters.signing import SigningKeys
from gateway.observability.metrics import Metrics
from gateway.routing.table import RouteTable
from gateway.spec.errors import fault
from gateway.spec.models import CacheZone, FilterSpec, JwtProvider, Spec
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
from gateway.upstream.session import Session, session_key
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
    signing: SigningKeys = field(default_factory=SigningKeys.of_our_own)
    """The instance's own keys."""
    session_key: Callable[[], bytes] = field(default_factory=lambda: session_key(None))
    """What the cookies of sticky sessions are made with; asked for when a route has any."""
    onward: Onward = field(default_factory=Onward)
    """In a sidecar: what its service's calls say in place of its own token."""


def compile_spec(spec: Spec, endpoints: Endpoints, version: int, runtime: Runtime, before: Snapshot) -> Snapshot:
    """A complete snapshot; `before` keeps serving until the caller swaps them.

    Raises:
        KeyError: a reference that the loader should have refused.
        ValueError: a store of the supervisor's Redis where it runs none; a filter that cannot be made.
    """
    moved: list[Moved] = []
    clusters = {one.name: _cluster(one, endpoints, runtime, before, moved) for one in spec.clusters}
    elsewhere = {one.cluster.name for one in moved if one.elsewhere}
    stores = {one.name: _store(one, runtime, before) for one in spec.stores}
    caches = {one.name: _cache(one, runtime, before) for one in spec.caches}
    providers = {one.name: _provider(one, clusters, elsewhere, stores, runtime, before) for one in spec.providers}
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
        signing=runtime.signing,
        in_mesh=runtime.workload is not None,
        onward=runtime.onward,
    )
    filters: dict[tuple[str, int], AnyFilter] = {}

    def chain_filters(route: str, specs: Sequence[FilterSpec]) -> list[AnyFilter]:
        classes = (filter_classes()[one.type] for one in (*spec.filters, *specs))
        of_route = replace(build, route=route, authenticated=any(one.authenticates for one in classes))
        for position, one in enumerate(specs):
            filters[route, position] = _filter(one, (route, position), of_route, before)
        return [filters[route, position] for position in range(len(specs))]

    shared = chain_filters("", spec.filters)
    routes = [
        _route(
            route,
            Chain([*shared, *chain_filters(route.name, route.filters)], runtime.metrics),
            clusters,
            canaries,
            runtime.session_key,
        )
        for route in spec.routes
    ]
    tables = {
        listener.name: RouteTable([(one.spec, one) for one in routes if _serves(one, listener.name)])
        for listener in spec.listeners
    }
    return Snapshot(version, spec, tables, clusters, providers, filters, stores, canaries, caches, moved)


def _route(
    spec: RouteSpec,
    chain: Chain,
    clusters: Mapping[str, Cluster],
    canaries: Mapping[str, Canary],
    session_key: Callable[[], bytes],
) -> CompiledRoute:
    backends = [(clusters[ref.cluster], ref.weight) for ref in spec.backend_refs]
    if spec.canary is None:
        made = CompiledRoute(spec, chain, backends)
    else:
        made = CanaryRoute(spec, chain, backends, canaries[spec.name], clusters[spec.canary.cluster])
    if spec.session_persistence is not None:
        made.session = Session(spec.session_persistence, spec.name, made.clusters, session_key())
    return made


def _canary(spec: RouteSpec, before: Snapshot) -> Canary:
    assert spec.canary is not None
    old = before.canaries.get(spec.name)
    return old if old is not None and old.spec == spec.canary else Canary(spec.canary)


def _serves(route: CompiledRoute, listener: str) -> bool:
    """A route names its listeners, unless there is only one (the loader insists)."""
    return not route.spec.listeners or listener in route.spec.listeners


def _cluster(
    spec: ClusterSpec, endpoints: Endpoints, runtime: Runtime, before: Snapshot, moved: list[Moved]
) -> Cluster:
    """The cluster of the snapshot before, if it differs in nothing but its endpoints: `moved` is told then."""
    addresses = tuple(endpoints.get(spec.service, ())) if spec.service else spec.listed
    old = before.clusters.get(spec.name)
    if old is not None and _finds_itself(old):
        if old.spec == spec:
            return old
    elif old is not None and not needs_discovery(spec) and _without_endpoints(old.spec) == _without_endpoints(spec):
        if old.spec != spec or tuple(one.address for one in old.endpoints) != addresses:
            moved.append(Moved(old, spec, addresses))
        return old
    tls, metrics, clock, random = _tls(spec, runtime), runtime.metrics, runtime.clock, runtime.random
    if spec.forward is not None:
        return ForwardCluster(
            spec, spec.forward, runtime.resolver, metrics.dns_resolutions, clock, random, tls, metrics
        )
    return Cluster(spec, addresses, clock, random, tls, _discovery(spec, runtime, old), metrics)


def _finds_itself(cluster: Cluster) -> bool:
    """Whether its endpoints are what names resolve to, so that nobody gives it any."""
    return cluster.discovery is not None or cluster.spec.forward is not None


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


def _without_endpoints(spec: ClusterSpec) -> ClusterSpec:
    """The spec without its endpoints, and without what only an audit reads."""
    return spec.model_copy(update={"endpoints": (), "audit_accept": {}})


def _provider(
    spec: JwtProvider,
    clusters: Mapping[str, Cluster],
    elsewhere: Collection[str],
    stores: Mapping[str, Store],
    runtime: Runtime,
    before: Snapshot,
) -> Provider:
    """Of an issuer that the file puts `elsewhere` now, nothing is believed that the former one said.

    One that only has other copies than before, or none at the moment, stays who it was: its keys serve on.
    """
    cluster, old = clusters[spec.jwks.cluster], before.providers.get(spec.name)
    store = stores[spec.revocation.store] if spec.revocation else None
    followed = old.revocations.store if old is not None and old.revocations is not None else None
    same_cluster = old is not None and old.cluster is cluster and cluster.name not in elsewhere
    if old is not None and old.spec == spec and same_cluster and followed is store:
        return old
    revocations = Revocations(spec, store, runtime.metrics, runtime.clock, runtime.wall) if store else None
    return Provider(spec, cluster, runtime.metrics, runtime.clock, revocations)


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
