"""Where services find the copies of those that they call, outside of a mesh.

The problem: services that call each other directly were told an address when they started, and copies come and go.
The rule: each has a file in its own data directory, replaced as a whole whenever something changes; it looks at it
before a call (sample_services.kit.peers). That balances and fails over, and knows no more: who wants limits, retries
and weights between services wants sidecars.
"""

from __future__ import annotations

import json

from gateway.control.supervisor.plan import Site, peer_addresses, peers_file

PEER_SECONDS = 0.25
"""How long a service may have held an address in its hand before it connected there."""


def write_peers(site: Site) -> None:
    """Write the files of all services that call others."""
    for entry in site.manifest.services:
        path = peers_file(site, entry)
        if path is None:
            continue
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = path.with_suffix(".new")
        new.write_text(json.dumps(peer_addresses(site, entry)))
        new.replace(path)
