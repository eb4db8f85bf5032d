"""Names of a sidecar's parts, in its configuration and where its sockets are made."""

from __future__ import annotations

from typing import Final

APP: Final = "app"
"""The cluster that is the service itself."""
INBOUND: Final = "inbound"
"""The listener that others of the mesh call."""


def outbound(peer: str) -> str:
    """The listener through which a service calls a peer."""
    return f"to-{peer}"
