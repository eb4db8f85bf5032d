"""Who a client is by its certificate, as filters see it."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
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
    thumbprint: str = ""
    """SHA-256 of the certificate, as tokens that are bound to it name it (`x5t#S256`, RFC 8705 section 3.1)."""
    identity: str = ""
    """The SPIFFE ID that it proves in our own mesh; empty for certificates of other authorities, whatever they say."""

    @classmethod
    def of(cls, peer: Mapping[str, Any] | None, der: bytes | None = None) -> ClientCertificate | None:
        """From what `SSLSocket.getpeercert` tells, in both forms; None when the client had none."""
        if not peer:
            return None
        subject = tuple(pair for part in peer.get("subject", ()) for pair in part)
        thumbprint = urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode() if der else ""
        return cls(subject, tuple(peer.get("subjectAltName", ())), str(peer.get("serialNumber", "")), thumbprint)
