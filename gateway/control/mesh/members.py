"""Who is in the mesh, by the names of the manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.control.egress_part import EGRESS
from gateway.mesh.identity import identity_of
from gateway.spec.mesh import Members


def members_of(peers: Mapping[str, Sequence[str]]) -> Members:
    """The services that have a sidecar, each with those that it calls; and the gateway and control, who call, too.

    In the place of third parties, who have no identity, stands the egress gateway.
    """
    identities = {name: identity_of(name) for name in (*peers, "gateway", "control")}
    return Members(peers, identities | dict.fromkeys(third_parties(peers), identity_of(EGRESS)))


def third_parties(peers: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Who of the mesh calls each third party."""
    called: dict[str, list[str]] = {}
    for name, others in peers.items():
        for other in others:
            if other not in peers:
                called.setdefault(other, []).append(name)
    return called
