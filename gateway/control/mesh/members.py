"""Who is in the mesh, by the names of the manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.mesh.identity import identity_of
from gateway.spec.mesh import Members


def members_of(peers: Mapping[str, Sequence[str]]) -> Members:
    """The services that have a sidecar, each with those that it calls; and the gateway and control, who call, too."""
    return Members(peers, {name: identity_of(name) for name in (*peers, "gateway", "control")})
