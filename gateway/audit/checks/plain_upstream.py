"""Services that the gateway talks to in clear text over a network."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from gateway.audit.model import Check, Found, System


def find(system: System) -> Iterator[Found]:
    """Clusters without TLS with an endpoint on another machine, those of services when known; and ways out."""
    for index, cluster in enumerate(system.spec.clusters):
        known = system.running.endpoints.get(cluster.name, ()) if system.running else ()
        remote = [one for one in dict.fromkeys((*cluster.listed, *known)) if not is_local(one)]
        if cluster.tls is None and remote:
            more = f" and {len(remote) - 3} more" if len(remote) > 3 else ""
            told = f"plain HTTP to {', '.join(remote[:3])}{more}"
            yield Found(("clusters", index), f"cluster {cluster.name}", told)
        if cluster.tls is None and cluster.forward is not None and _carries_requests(system, cluster.name):
            yield Found(("clusters", index), f"cluster {cluster.name}", "plain HTTP to whoever is called")


def _carries_requests(system: System, cluster: str) -> bool:
    """Whether a route leads there by another method than CONNECT: what is in a tunnel is the client's business."""
    return any(
        any(match.method != "CONNECT" for match in route.matches)
        and any(backend.cluster == cluster for backend in route.backend_refs)
        for route in system.spec.routes
    )


def is_local(endpoint: str) -> bool:
    """Whether `host:port` is on this machine."""
    host = endpoint.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


CHECK = Check(
    id="plain-upstream",
    severity="medium",
    title="A cluster on other machines is asked without TLS",
    why="Tokens and answers cross the network in clear, and nobody knows whether the endpoint is the real one.",
    fix="Give the cluster `tls: {}` (or `tls: {ca: …}`): its certificate is then always verified.",
    owasp="API8:2023",
    find=find,
)
