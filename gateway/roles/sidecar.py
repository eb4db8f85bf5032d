"""The sidecar: `python -m gateway.roles.sidecar --settings-fd N`.

The problem: a service should neither know who calls it nor prove who it is itself, and must not be reached past that.
The rule: beside each copy of a service runs what the gateway is made of, with two sides. Inbound: mutual TLS, the
mesh's policies, then the service itself, which is told a secret of the two. Outbound: one plain listener for each
service that it calls; from there on it is mutual TLS again, to exactly that identity. The service's code is the same
with and without it.

What differs from a gateway worker (edge.py): it cannot begin without an identity; it reaches control over mutual TLS
and speaks for its own service only; the last good configuration is its own file.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from dataclasses import dataclass, field, replace

from gateway.compile.compiler import Endpoints
from gateway.mesh.identity import identity_of
from gateway.roles.channel import MAX_LINE, Channel, Line, Message
from gateway.roles.edge import Edge, Settings, main
from gateway.spec.mesh_names import APP
from gateway.upstream.workload import Stranger

log = logging.getLogger("gateway.sidecar")


@dataclass(frozen=True)
class SidecarSettings(Settings):
    """What the supervisor tells a sidecar besides."""

    service: str = ""
    app: str = ""
    """`host:port` of the service itself."""
    app_secret: str = field(default="", repr=False)
    control: str = ""
    """`host:port` where control listens for sidecars; empty: there is none, and the last good configuration holds."""
    inbound: str = ""
    """`host:port` at which others reach us."""
    lapse: float = 0.0
    """For a lesson: a certificate of so many seconds, which nobody renews; 0: as it should be."""


class Sidecar(Edge):
    """One sidecar's life."""

    settings: SidecarSettings
    keeps = True

    def __init__(self, settings: SidecarSettings) -> None:
        if not settings.mesh:
            raise ValueError("a sidecar needs an identity")
        if settings.lapse:
            settings = replace(settings, mesh={**settings.mesh, "life": settings.lapse, "renews": False})
            log.warning("the certificate is left to expire, for a lesson")
        self.app_secret = settings.app_secret
        self.role = f"{settings.service}-sidecar"
        super().__init__(settings)

    def _channel(self) -> Channel | None:
        told = self.settings
        if not told.control:
            return None
        introduction = {"role": "sidecar", "service": told.service, "address": told.inbound}
        return Channel(self._dial, self.worker, self.apply, introduction)

    async def _dial(self) -> Line:
        """To control itself: whoever else listens there gets no answer of ours."""
        assert self.enrolment is not None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.enrolment.workload.equip(context)
        host, _, port = self.settings.control.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port), ssl=context, limit=MAX_LINE)
        try:
            self.enrolment.workload.expect(identity_of("control"), writer.get_extra_info("peercert"))
        except Stranger as stranger:
            writer.close()
            raise ConnectionError(f"somebody else listens in the place of control: {stranger.reason}") from stranger
        return reader, writer

    async def apply(self, document: Message, endpoints: Endpoints, version: int) -> float:
        """Put a configuration in force; who we stand beside is not control's to say.

        Raises:
            Exception: it does not compile; the one before serves on.
        """
        return await super().apply(document, {**endpoints, APP: [self.settings.app]}, version)


if __name__ == "__main__":
    main("gateway.roles.sidecar", lambda document: Sidecar(SidecarSettings(**document)))
