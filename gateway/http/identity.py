"""Who a client is by its certificate, as filters see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A client's certificate that was verified in the handshake; what was not verified never becomes one."""

    subject: tuple[tuple[str, str], ...]
    """Like `(("organizationName", "Shop"), ("commonName", "alice"))`; pairs, because values may hold any character."""
    names: tuple[tuple[str, str], ...]
    """Subject alternative names, like `(("URI", "spiffe://gatehouse.local/ns/shop/sa/orders"), ("DNS", "orders"))`."""
    serial: str

    @classmethod
    def of(cls, peer: Mapping[str, Any] | None) -> ClientCertificate | None:
        """From what `SSLSocket.getpeercert` tells; None when the client had none."""
        if not peer:
            return None
        subject = tuple(pair for part in peer.get("subject", ()) for pair in part)
        return cls(subject, tuple(peer.get("subjectAltName", ())), str(peer.get("serialNumber", "")))
