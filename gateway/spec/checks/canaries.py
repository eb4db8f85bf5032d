"""Canaries and mirrors: clusters that exist, and sides that are two."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.http.hop import NOT_UPSTREAM
from gateway.spec.checks.clusters import reference
from gateway.spec.checks.finding import Finding, Path
from gateway.spec.filters import RequestMirror
from gateway.spec.models import Route


def check_canary(route: Route, clusters: tuple[str, ...], path: Path) -> Iterator[Finding]:
    """A route's canary: another cluster than those that it is compared with."""
    canary = route.canary
    if canary is None:
        return
    yield from reference(canary.cluster, clusters, "cluster", (*path, "canary", "cluster"))
    if not route.backend_refs:
        yield Finding((*path, "canary"), "is a share of the requests for backendRefs: there are none")
    if any(ref.cluster == canary.cluster for ref in route.backend_refs):
        message = f'"{canary.cluster}" is one of backendRefs already: a canary is compared with them'
        yield Finding((*path, "canary", "cluster"), message)
    latency = canary.rollback.latency
    if latency is not None and round(canary.rollback.min_requests * (1 - latency.quantile), 9) < 1:
        message = f"of {canary.rollback.min_requests} requests (minRequests) not one is slower than this quantile"
        yield Finding((*path, "canary", "rollback", "latency", "quantile"), message)


def check_mirror(item: RequestMirror, clusters: tuple[str, ...], path: Path) -> Iterator[Finding]:
    """One RequestMirror filter."""
    yield from reference(item.cluster, clusters, "cluster", (*path, "cluster"))
    for index, name in enumerate(item.withhold):
        if name.encode() in NOT_UPSTREAM:
            yield Finding((*path, "withhold", index), f'header "{name}" is not passed on in any case')
