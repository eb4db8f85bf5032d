"""Who this process is in a mesh: its certificate, whom it believes, and who has been shut out.

The problem: certificates that live for minutes change while connections stand, keys on disk are read by whoever
breaks in, and a certificate that was stolen must stop working before it expires. The rule: one object holds what
this process has now, in memory only; whoever makes a connection asks it for a context and, once the handshake is
over, for the peer. When certificate, authorities or the list of the revoked change, those who hold connections hear
of it and act.

Identities are SPIFFE IDs (https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md): exactly one URI among
the certificate's subject alternative names, in our own trust domain. The names of hosts prove nothing here.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol
from weakref import WeakSet

PREFIX = "spiffe://"


class Peer(NamedTuple):
    """Who is at the other end of a connection."""

    identity: str
    serial: int
    expires: float
    """Seconds since the epoch; a tenth of its certificate's life before that it is time to part."""
    leave: float


class Stranger(Exception):
    """Somebody whom we do not talk to; `reason` is one of a few words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Watcher(Protocol):
    """Who holds connections that were made with a workload's certificate."""

    def identity_changed(self) -> None:
        """The certificate, the authorities or the revoked have changed."""


class Workload:
    """The identity of this process, as it is now."""

    def __init__(self, identity: str) -> None:
        self.identity = identity
        self.domain = identity.removeprefix(PREFIX).partition("/")[0]
        self.generation = 0
        """Grows with each certificate; 0: there is none yet."""
        self.expires = self.leave = 0.0
        """Seconds since the epoch: when the certificate ends, and when connections made with it should."""
        self.revoked: frozenset[int] = frozenset()
        """Serials of certificates that are good no more."""
        self.barred: frozenset[str] = frozenset()
        """Identities that are shut out, whatever certificate they show."""
        self.bundle = b""
        """The authorities that we believe, PEM."""
        self._chain = self._key = b""
        self._watchers: WeakSet[Watcher] = WeakSet()

    def __repr__(self) -> str:
        return f"<Workload {self.identity} generation={self.generation}>"

    def install(self, chain: bytes, key: bytes, bundle: bytes) -> None:
        """Take up a certificate, its own first in `chain`, with its key; all PEM.

        Raises:
            ssl.SSLError: they do not fit together; nothing has changed.
        """
        from cryptography.x509 import load_pem_x509_certificates  # 40 ms, only where there is a mesh

        _load(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), chain, key, bundle)
        self._chain, self._key, self.bundle = chain, key, bundle
        leaf = load_pem_x509_certificates(chain)[0]
        begins, self.expires = leaf.not_valid_before_utc.timestamp(), leaf.not_valid_after_utc.timestamp()
        self.leave = _leave(begins, self.expires)
        self.generation += 1
        self._tell()

    def trust(self, bundle: bytes, revoked: frozenset[int], barred: frozenset[str] = frozenset()) -> None:
        """Believe these authorities from now on, and neither these certificates nor these identities."""
        if (bundle, revoked, barred) != (self.bundle, self.revoked, self.barred):
            self.bundle, self.revoked, self.barred = bundle, revoked, barred
            self._tell()

    def shuts_out(self, peer: Peer) -> bool:
        """Whether we do not talk to a peer any more; its connection may have outlived the certificate."""
        return peer.serial in self.revoked or peer.identity in self.barred

    def watch(self, watcher: Watcher) -> None:
        """Tell `watcher` of changes for as long as it lives."""
        self._watchers.add(watcher)

    def equip(self, context: ssl.SSLContext) -> None:
        """Give a context our certificate and whom we believe; both sides of a mesh connection show one.

        Raises:
            ssl.SSLError: there is no certificate yet.
        """
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False  # the identity is looked at instead, see `peer`
        context.verify_mode = ssl.CERT_REQUIRED
        context.set_alpn_protocols(["http/1.1"])
        _load(context, self._chain, self._key, self.bundle)

    def peer(self, certificate: Mapping[str, Any] | None) -> Peer:
        """Who showed this certificate, as `SSLSocket.getpeercert` tells it; the handshake has verified its chain.

        Raises:
            Stranger: `no_identity`, `foreign_domain` or `revoked`.
        """
        names = [value for kind, value in (certificate or {}).get("subjectAltName", ()) if kind == "URI"]
        if certificate is None or len(names) != 1 or not names[0].startswith(PREFIX):
            raise Stranger("no_identity")
        if names[0].removeprefix(PREFIX).partition("/")[0] != self.domain:
            raise Stranger("foreign_domain")
        begins, ends = (float(ssl.cert_time_to_seconds(certificate[key])) for key in ("notBefore", "notAfter"))
        peer = Peer(names[0], int(certificate["serialNumber"], 16), ends, _leave(begins, ends))
        if self.shuts_out(peer):
            raise Stranger("revoked")
        return peer

    def expect(self, identity: str, certificate: Mapping[str, Any] | None) -> Peer:
        """The peer, who must be exactly this one.

        Raises:
            Stranger: `wrong_identity`, or see `peer`.
        """
        peer = self.peer(certificate)
        if peer.identity != identity:
            raise Stranger("wrong_identity")
        return peer

    def _tell(self) -> None:
        for watcher in tuple(self._watchers):
            watcher.identity_changed()


def _leave(begins: float, ends: float) -> float:
    """When connections should end that were made with a certificate: a tenth of its life before it does."""
    return ends - (ends - begins) / 10


def _load(context: ssl.SSLContext, chain: bytes, key: bytes, bundle: bytes) -> None:
    with _as_file(chain) as chain_file, _as_file(key) as key_file:
        context.load_cert_chain(chain_file, key_file)
    context.load_verify_locations(cadata=bundle.decode("ascii"))


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """A path that OpenSSL can open, of a file that nobody else can: in memory where the system has that."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("workload", os.MFD_CLOEXEC)
        try:
            os.write(fd, content)
            yield f"/proc/self/fd/{fd}"
        finally:
            os.close(fd)
    else:
        with tempfile.NamedTemporaryFile() as file:  # mode 0600
            file.write(content)
            file.flush()
            yield file.name
