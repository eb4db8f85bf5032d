"""Clusters and providers: unique names, endpoints that can be connected to, key sources that exist."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from gateway.spec.checks.finding import Finding, Path, duplicates
from gateway.spec.errors import nearest
from gateway.spec.models import Cluster, Spec


def check_clusters(spec: Spec) -> Iterator[Finding]:
    """Everything about clusters, and about the providers whose keys they serve."""
    yield from duplicates((cluster.name for cluster in spec.clusters), ("clusters",), "cluster")
    yield from duplicates((provider.name for provider in spec.providers), ("providers",), "provider")
    for index, cluster in enumerate(spec.clusters):
        yield from _check_cluster(cluster, ("clusters", index))
    names = tuple(cluster.name for cluster in spec.clusters)
    for index, provider in enumerate(spec.providers):
        yield from reference(provider.jwks.cluster, names, "cluster", ("providers", index, "jwks", "cluster"))
        if provider.revocation is not None:
            place: Path = ("providers", index, "revocation", "store")
            yield from reference(provider.revocation.store, tuple(one.name for one in spec.stores), "store", place)


def reference(name: str, known: tuple[str, ...], what: str, path: Path) -> Iterator[Finding]:
    """A finding when `name` is not one of the known names of its kind."""
    if name not in known:
        yield Finding(path, f'there is no {what} "{name}"', nearest(name, known))


def _check_cluster(cluster: Cluster, path: Path) -> Iterator[Finding]:
    ways = (cluster.service is not None) + bool(cluster.endpoints) + (cluster.forward is not None)
    if not ways:
        message = "needs a service (found by name), endpoints (host:port), or forward (whoever is called)"
        yield Finding(path, f'cluster "{cluster.name}" {message}')
    if ways > 1:
        told = "both service and endpoints" if cluster.forward is None else "forward and other endpoints"
        yield Finding(path, f'cluster "{cluster.name}" has {told}; keep one')
    if cluster.forward is not None and cluster.health_check is not None:
        yield Finding((*path, "healthCheck"), "hosts that requests name are not asked how they are: take it out")
    yield from _check_hash(cluster, path)
    for index, endpoint in enumerate(cluster.listed):
        problem = endpoint_problem(endpoint, names=True)
        if problem:
            yield Finding((*path, "endpoints", index), f'"{endpoint}" is not an endpoint: {problem}')
        elif endpoint in cluster.listed[:index]:
            yield Finding((*path, "endpoints", index), f'endpoint "{endpoint}" is listed twice')


def _check_hash(cluster: Cluster, path: Path) -> Iterator[Finding]:
    hash_on = cluster.hash_on
    if (cluster.load_balancing == "ring_hash") != (hash_on is not None):
        missing = "ring_hash needs hashOn: what of a request decides its endpoint"
        yield Finding(path, missing if hash_on is None else "hashOn is for loadBalancing: ring_hash only")
    if hash_on is None:
        return
    if hash_on.type == "Address" and hash_on.name:
        yield Finding((*path, "hashOn", "name"), "an address has no name")
    elif hash_on.type != "Address" and not hash_on.name:
        yield Finding((*path, "hashOn"), f"say which {hash_on.type.lower()}: name")


def endpoint_problem(endpoint: str, *, names: bool = False) -> str:
    """Why `endpoint` is not host:port, or ""; names other than localhost only where somebody resolves them."""
    host, colon, port = endpoint.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or not 0 < int(port[:6]) < 65_536:
        return "write host:port, like 127.0.0.1:8000"
    if host == "localhost" or (names and _NAME.fullmatch(host) and len(host) <= 253):
        return ""
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        version = ipaddress.ip_address(host[1:-1] if bracketed else host).version
    except ValueError:
        return (
            "the host is an IP address or a name in lower case" if names else "the host is an IP address or localhost"
        )
    if (version == 6) != bracketed:
        return "an IPv6 address stands in brackets, like [::1]:8000, and no other does"
    return ""


# Lower case, and no number at the end: what looks like 127.1 would be taken for an address by some, not by others.
_NAME = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
