"""Names that may lead anywhere, inside too."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from gateway.audit.model import Check, Found, System
from gateway.spec.addresses import AddressPolicy
from gateway.spec.models import Cluster

METADATA = "169.254.169.254"
"""Where clouds give a machine its credentials."""


def find(system: System) -> Iterator[Found]:
    """Clusters with endpoints by name and no `addresses`, and those whose `addresses` let metadata services pass."""
    for index, cluster in enumerate(system.spec.clusters):
        told = _weakness(cluster)
        if told:
            yield Found(("clusters", index), f"cluster {cluster.name}", told)


def _weakness(cluster: Cluster) -> str:
    if cluster.addresses is not None:
        policy = AddressPolicy(cluster.addresses.allow, cluster.addresses.deny)
        return "" if policy.refusal(METADATA) else f"{METADATA} (a cloud's metadata) is allowed"
    names = [one for one in cluster.listed if _by_name(one)]
    return f"{', '.join(names[:3])} may resolve to any address" if names else ""


def _by_name(endpoint: str) -> bool:
    host = endpoint.rpartition(":")[0].strip("[]")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host != "localhost"
    return False


CHECK = Check(
    id="any-address",
    severity="medium",
    title="A name is believed wherever it leads",
    why="Whoever controls the name, or the answers to it, leads requests inside: to metadata services, to loopback.",
    fix="Give the cluster `addresses: {allow: [public]}`, or the networks in which its endpoints are.",
    owasp="API7:2023",
    find=find,
)
