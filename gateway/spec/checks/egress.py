"""Ways out: names that may be called, the addresses behind them, and who may use them.

The rule: a cluster that goes wherever a request says is reached through listeners of services only, never by asking a
public listener with another Host; and what an address policy refuses for certain is told before anybody asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.spec.addresses import AddressPolicy
from gateway.spec.checks.finding import Finding, Path
from gateway.spec.models import Addresses, Cluster, FilterSpec, Route, Spec

CONNECT = "CONNECT"


def check_egress(spec: Spec) -> Iterator[Finding]:
    """Everything about addresses, forward clusters, and tunnels."""
    forward = {one.name: one for one in spec.clusters if one.forward is not None}
    proxies = frozenset(one.name for one in spec.listeners if one.forward_proxy is not None)
    for index, cluster in enumerate(spec.clusters):
        yield from _check_addresses(cluster, ("clusters", index))
        if cluster.forward is not None and cluster.tls is not None and cluster.tls.server_name is not None:
            message = "each host must prove its own name: take it out"
            yield Finding(("clusters", index, "tls", "serverName"), message)
    out = frozenset(one.name for one in spec.listeners if one.egress is not None)
    yield from _check_ways_out(spec)
    for index, route in enumerate(spec.routes):
        yield from _check_of_way_out(route, out, ("routes", index))
        yield from _check_route(route, spec, forward, proxies, ("routes", index))
    yield from _check_askers(spec, forward)


def _check_ways_out(spec: Spec) -> Iterator[Finding]:
    """Each leads to one third party, and it is plain which."""
    taken: dict[str, str] = {}
    for index, listener in enumerate(spec.listeners):
        if listener.egress is None:
            continue
        path: Path = ("listeners", index, "egress")
        if listener.forward_proxy is not None:
            yield Finding(path, "a listener is a way out to one third party, or a proxy to several: not both")
        if listener.tls is not None:
            yield Finding(path, "services call it on this machine, in a mesh with their identities: take tls out")
        party = listener.egress.third_party
        if party in taken:
            yield Finding((*path, "thirdParty"), f'"{taken[party]}" leads there already')
        taken.setdefault(party, listener.name)


def _check_of_way_out(route: Route, out: frozenset[str], path: Path) -> Iterator[Finding]:
    if len(route.listeners) > 1 and not out.isdisjoint(route.listeners):
        yield Finding((*path, "listeners"), "a way out has routes of its own, since a process of its own serves them")


def _check_addresses(cluster: Cluster, path: Path) -> Iterator[Finding]:
    if cluster.addresses is not None and cluster.service is not None:
        yield Finding((*path, "addresses"), "a service's addresses come from the registry, not from DNS: take it out")
        return
    allowed = cluster.addresses or (Addresses() if cluster.forward else None)
    if allowed is None:
        return
    policy = AddressPolicy(allowed.allow, allowed.deny)
    for index, endpoint in enumerate(cluster.listed):
        host = endpoint.rpartition(":")[0].strip("[]")
        why = policy.refusal("127.0.0.1" if host == "localhost" else host)
        if why and why != "no address":
            message = f'"{endpoint}" is {why}, which addresses.allow does not let pass'
            yield Finding((*path, "endpoints", index), message)
    for name, addresses in cluster.dns.hosts.items():
        for index, address in enumerate(addresses):
            why = policy.refusal(address)
            if why:
                message = f'"{address}" is {why}, which addresses.allow does not let pass'
                yield Finding((*path, "dns", "hosts", name, index), message)


def _check_route(
    route: Route, spec: Spec, forward: Mapping[str, Cluster], proxies: frozenset[str], path: Path
) -> Iterator[Finding]:
    listeners = route.listeners or tuple(one.name for one in spec.listeners)
    open_to_others = sorted(name for name in listeners if name not in proxies)
    for index, backend in enumerate(route.backend_refs):
        if backend.cluster in forward and open_to_others:
            message = (
                f'cluster "{backend.cluster}" goes wherever a request says: its routes serve only listeners with '
                f"forwardProxy, and {', '.join(open_to_others)} has none"
            )
            yield Finding((*path, "backendRefs", index, "cluster"), message)
    tunnels = [match.method == CONNECT for match in route.matches]
    if not any(tunnels):
        return
    if not all(tunnels):
        yield Finding((*path, "matches"), "CONNECT needs a route of its own: filters mean nothing inside a tunnel")
    if open_to_others:
        yield Finding((*path, "matches"), "CONNECT is taken only by listeners with forwardProxy")
    for index, backend in enumerate(route.backend_refs):
        found = forward.get(backend.cluster)
        if found is None or found.tls is not None:
            message = "CONNECT leads to a cluster with forward and without tls: what is inside the tunnel is not ours"
            yield Finding((*path, "backendRefs", index, "cluster"), message)


def _check_askers(spec: Spec, forward: Mapping[str, Cluster]) -> Iterator[Finding]:
    """Whoever asks a helper must know whom."""
    message = "goes wherever a request says; here one service is asked: give it endpoints"
    for index, provider in enumerate(spec.providers):
        if provider.jwks.cluster in forward:
            yield Finding(("providers", index, "jwks", "cluster"), f'"{provider.jwks.cluster}" {message}')
    chains: list[tuple[Path, tuple[FilterSpec, ...]]] = [(("filters",), spec.filters)]
    chains += [(("routes", index, "filters"), route.filters) for index, route in enumerate(spec.routes)]
    for path, filters in chains:
        for place, item in enumerate(filters):
            asked = getattr(item, "cluster", None)
            if asked in forward:
                yield Finding((*path, place, "cluster"), f'"{asked}" {message}')
