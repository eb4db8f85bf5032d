"""TLS towards a cluster's endpoints: who they must prove to be, and who we are.

The problem: a connection that is encrypted, but to whoever answered, protects from nobody who matters. The rule:
the endpoint's certificate must come from an authority that we believe and hold the name that we asked for
(RFC 9110 section 4.3.4, RFC 9525); nothing switches that off. Files that were renewed serve the next connection.
"""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gateway.observability.registry import Counter
from gateway.spec.certificates import Unusable, check_authorities, read_pair
from gateway.spec.models import ClusterTls

if TYPE_CHECKING:
    from gateway.http.client import ClientConnection

log = logging.getLogger("gateway.tls")

# OpenSSL's X509_V_ERR_… numbers (openssl-verification-options(1)).
_VERIFICATION: Final = {
    9: "not_yet_valid", 10: "expired", 18: "untrusted", 19: "untrusted", 20: "untrusted", 21: "untrusted",
    23: "revoked", 26: "wrong_purpose", 62: "wrong_name", 64: "wrong_name",
}  # fmt: skip


class UpstreamTls:
    """The TLS side of one cluster."""

    def __init__(self, cluster: str, spec: ClusterTls, failures: Counter, wall: Callable[[], float]) -> None:
        self.spec = spec
        self._cluster = cluster
        self._failures = failures
        self._wall = wall
        self._context: ssl.SSLContext | None = None
        self._look: tuple[int, ...] = ()
        own = spec.client_certificate
        self._files = [one for one in (spec.ca, own and own.cert, own and own.key) if one]

    def options(self, host: str) -> dict[str, Any]:
        """What `create_connection` needs besides host and port.

        Raises:
            Unusable: the files cannot be used, and never could since this cluster was made.
        """
        return {"ssl": self._current(), "server_hostname": self.spec.server_name or host}

    def admits(self, connection: ClientConnection) -> bool:
        """Whether a connection may be used, now that its handshake is over: the context has looked at everything."""
        return True

    def sweep(self) -> None:
        """Look at the connections that stand; only those of a mesh need that."""

    def failed(self, error: Exception) -> bool:
        """Whether TLS is to blame for a failed connection; if so it is counted and logged."""
        reason = failure(error)
        if reason:
            self._failures.add(self._cluster, reason)
            log.warning("cluster %s: TLS failed, %s: %s", self._cluster, reason, error)
        return bool(reason)

    def _current(self) -> ssl.SSLContext:
        """The context of the files as they are now: looking costs microseconds, a new connection milliseconds."""
        look = tuple(map(_changed_at, self._files))
        if self._context is not None and look == self._look:
            return self._context
        self._look = look
        try:
            self._context = self._read()
        except (Unusable, OSError) as error:
            if self._context is None:
                raise Unusable("ca", str(error)) from error
            self._failures.add(self._cluster, "renewal")
            log.error("cluster %s: %s; the files before stay in use", self._cluster, error)
        return self._context

    def _read(self) -> ssl.SSLContext:
        if self.spec.ca:
            check_authorities(Path(self.spec.ca), self._wall())
        context = ssl.create_default_context(cafile=self.spec.ca)  # verifies chain and name; without `ca` the system's
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        own = self.spec.client_certificate
        if own:
            read_pair(Path(own.cert), Path(own.key), self._wall())
            context.load_cert_chain(own.cert, own.key)
        return context


def _changed_at(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns  # noqa: PTH116  (for each new connection: no Path objects)
    except OSError:
        return 0


def failure(error: Exception) -> str:
    """The reason as a label, or "" when the connection failed before TLS began."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERIFICATION.get(error.verify_code, "not_verified")
    if isinstance(error, Unusable):
        return "own_files"
    if isinstance(error, ssl.SSLError):
        return "refused_by_endpoint" if "ALERT" in (error.reason or "") else "protocol_error"
    # Reset or closed while shaking hands; a refused connection never came so far.
    return "closed" if isinstance(error, ConnectionResetError | ConnectionAbortedError) else ""
