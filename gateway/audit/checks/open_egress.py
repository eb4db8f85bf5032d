"""Ways out that lead everywhere."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.audit.model import Check, Found, System

EVERYWHERE = "*"


def find(system: System) -> Iterator[Found]:
    """Forward clusters whose list of hosts has `*` in it."""
    for index, cluster in enumerate(system.spec.clusters):
        if cluster.forward is not None and EVERYWHERE in cluster.forward.hosts:
            yield Found(("clusters", index), f"cluster {cluster.name}", "every host may be called")


CHECK = Check(
    id="open-egress",
    severity="high",
    title="A way out leads to every host",
    why="A service that was taken over carries data to whomever it likes, and one that was fooled fetches from there.",
    fix="List the hosts that are called in `forward.hosts`; `*.partner.example` stands for all below a name.",
    owasp="API7:2023",
    find=find,
)
