"""Services that the gateway talks to in clear text over a network."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from gateway.audit.model import Check, Found, System


def find(system: System) -> Iterator[Found]:
    """Clusters without TLS that have an endpoint on another machine; those of services when they are known."""
    for index, cluster in enumerate(system.spec.clusters):
        known = system.running.endpoints.get(cluster.name, ()) if system.running else ()
        remote = [one for one in dict.fromkeys((*cluster.addresses, *known)) if not is_local(one)]
        if cluster.tls is None and remote:
            more = f" and {len(remote) - 3} more" if len(remote) > 3 else ""
            told = f"plain HTTP to {', '.join(remote[:3])}{more}"
            yield Found(("clusters", index), f"cluster {cluster.name}", told)


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
