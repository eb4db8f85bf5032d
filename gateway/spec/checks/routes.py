"""Routes: unique names, references that exist, and a cluster or filter that answers."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from gateway.spec.checks.canaries import check_canary
from gateway.spec.checks.clusters import reference
from gateway.spec.checks.finding import Finding, Path, duplicates
from gateway.spec.checks.sessions import check_session
from gateway.spec.models import Route, Spec


def check_routes(spec: Spec, answering: Collection[str]) -> Iterator[Finding]:
    """What a route refers to, and that it leads somewhere."""
    yield from duplicates((route.name for route in spec.routes), ("routes",), "route")
    listeners = tuple(listener.name for listener in spec.listeners)
    clusters = tuple(cluster.name for cluster in spec.clusters)
    forwarding = {cluster.name for cluster in spec.clusters if cluster.forward is not None}
    for index, route in enumerate(spec.routes):
        path: Path = ("routes", index)
        yield from _check_listeners(route, listeners, path)
        for place, backend in enumerate(route.backend_refs):
            yield from reference(backend.cluster, clusters, "cluster", (*path, "backendRefs", place, "cluster"))
        yield from check_canary(route, clusters, path)
        yield from _check_destination(route, answering, path)
        yield from check_session(route, forwarding, path)


def _check_listeners(route: Route, known: tuple[str, ...], path: Path) -> Iterator[Finding]:
    """Where there are several listeners, one may be internal: a route must then say whom it serves."""
    if not route.listeners and len(known) > 1:
        names = ", ".join(known)
        yield Finding(path, f'route "{route.name}" must name its listeners, since there are several: {names}')
    for index, name in enumerate(route.listeners):
        yield from reference(name, known, "listener", (*path, "listeners", index))
        if name in route.listeners[:index]:
            yield Finding((*path, "listeners", index), f'listener "{name}" is named twice')


def _check_destination(route: Route, answering: Collection[str], path: Path) -> Iterator[Finding]:
    answers = any(item.type in answering for item in route.filters)
    if not route.backend_refs and not answers:
        ways = ", ".join(sorted(answering))
        yield Finding(path, f'route "{route.name}" leads nowhere: add backendRefs, or a filter that answers ({ways})')
    if route.backend_refs and answers:
        yield Finding((*path, "backendRefs"), "never reached: a filter of this route answers every request by itself")
    if route.backend_refs and not any(backend.weight for backend in route.backend_refs):
        yield Finding((*path, "backendRefs"), "all weights are 0: no cluster would get this route's requests")
