"""Who gets a certificate: the authority's decisions, without any network.

    who asks                        proves it by                     gets
    a process that just started     a one-time token                 a certificate of the token's identity
    a workload                      its certificate, still good      its next one, of the same identity
    anybody barred or revoked       -                                nothing

What a certificate request says of names is never looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from gateway.mesh import bootstrap
from gateway.mesh.authority.certificates import BadRequest, make_workload
from gateway.mesh.authority.register import Full, Issued, Register


class Denied(Exception):
    """No certificate; `reason` is one of a few words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Intermediate:
    """What the authority signs with."""

    number: int
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    root: str
    """PEM."""

    @classmethod
    def read(cls, document: dict[str, Any], number: int) -> Intermediate:
        """From what the root's program says.

        Raises:
            ValueError: it is not that.
        """
        key = load_pem_private_key(document["key"].encode(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("the intermediate's key is of another kind")
        return cls(number, key, x509.load_pem_x509_certificate(document["chain"].encode()), document["bundle"])


class Issuer:
    """Decides and signs."""

    def __init__(
        self,
        intermediate: Intermediate,
        token_key: bytes,
        life: float,
        wall: Callable[[], float],
        file: Path | None = None,
    ) -> None:
        """`life` is how many seconds a workload's certificate is good for; `file` remembers who is shut out."""
        self.intermediate = intermediate
        self.former: Intermediate | None = None
        """The one before, while certificates that it signed are in use."""
        self.register = Register(wall, file)
        self._token_key, self._life, self._wall = token_key, timedelta(seconds=life), wall

    @property
    def bundle(self) -> str:
        """The roots to believe, PEM."""
        roots = [self.intermediate.root] + ([self.former.root] if self.former else [])
        return "".join(dict.fromkeys(roots))

    def enrol(self, token: str, request: str, life: float = 0.0) -> bytes:
        """The first certificate of a process, with the intermediate's below it; PEM.

        Who wants one for a shorter time (`life`, in seconds) gets it, and nobody gets one for a longer time.

        Raises:
            Denied: the token is none of ours, too late or used; or see `renew`.
        """
        try:
            claim = bootstrap.check(self._token_key, token, self._wall())
        except bootstrap.BadToken as error:
            raise Denied(error.reason) from None
        if not self.register.use(claim.number, claim.expires):
            raise Denied("token_used")
        shorter = timedelta(seconds=life) if 0 < life < self._life.total_seconds() else None
        return self._issue(claim.identity, claim.holder, request, shorter)

    def renew(self, identity: str, serial: int, request: str) -> bytes:
        """The next certificate of a workload that showed the one with this serial in its handshake.

        Raises:
            Denied: it is revoked, its identity barred, or the request not one that can be granted.
        """
        if serial in self.register.revoked():
            raise Denied("revoked")
        return self._issue(identity, self.register.holder_of(serial), request)

    def myself(self, identity: str, request: str) -> bytes:
        """The authority's own certificate."""
        return self._issue(identity, "authority", request)

    def adopt(self, intermediate: Intermediate) -> None:
        """Sign with another intermediate; what the one before has signed stays good."""
        self.former, self.intermediate = self.intermediate, intermediate

    def settle(self) -> bool:
        """Believe the former root no longer once nobody depends on it; whether that has just happened."""
        if self.former is None or self.register.depends_on(self.former.number):
            return False
        self.former = None
        return True

    def _issue(self, identity: str, holder: str, request: str, life: timedelta | None = None) -> bytes:
        if identity in self.register.barred:
            raise Denied("barred")
        signer = self.intermediate
        try:
            asked = x509.load_pem_x509_csr(request.encode())
            made = make_workload(asked, identity, signer.certificate, signer.key, self._wall(), life or self._life)
            expires = made.not_valid_after_utc.timestamp()
            self.register.add(Issued(made.serial_number, identity, holder, signer.number, expires))
        except (ValueError, BadRequest):
            raise Denied("bad_request") from None
        except Full:
            raise Denied("too_many") from None
        return made.public_bytes(Encoding.PEM) + signer.certificate.public_bytes(Encoding.PEM)
