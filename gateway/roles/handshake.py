"""Handshakes that fail: the client is told why, and so are we.

The problem: asyncio and uvloop close the connection of a failed handshake without sending the alert that OpenSSL
has written (RFC 8446 section 6.2: "SHOULD send"), so that a client without a certificate sees a reset and no reason.
The rule: what OpenSSL has written when it fails goes out on the socket, then the connection closes as before; for
our metrics the failure becomes one of a few words.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from contextvars import ContextVar
from typing import Any, Final

SHAKING_HANDS: ContextVar[socket.socket | None] = ContextVar("SHAKING_HANDS", default=None)
"""The socket whose handshake this task waits for."""


class AlertingObject(ssl.SSLObject):
    """A TLS connection that sends its last words."""

    outgoing: ssl.MemoryBIO
    socket: socket.socket | None

    def do_handshake(self) -> None:
        """Go on with the handshake.

        Raises:
            ssl.SSLError: more bytes are needed, or it has failed.
        """
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError:
            if self.socket is not None and self.outgoing.pending:
                with contextlib.suppress(OSError):  # the client has gone: nobody is there to be told
                    self.socket.send(self.outgoing.read())
            raise


class AlertingContext(ssl.SSLContext):
    """Makes such connections."""

    sslobject_class = AlertingObject

    def wrap_bio(self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *args: Any, **options: Any) -> ssl.SSLObject:
        """A TLS connection over two buffers, as the event loop asks for it."""
        made = super().wrap_bio(incoming, outgoing, *args, **options)
        assert isinstance(made, AlertingObject)
        made.outgoing, made.socket = outgoing, SHAKING_HANDS.get()
        return made


_REASONS: Final = {
    "HTTP_REQUEST": "plain_http",
    "HTTPS_PROXY_REQUEST": "plain_http",
    "WRONG_VERSION_NUMBER": "not_tls",
    "UNSUPPORTED_PROTOCOL": "unsupported_version",
    "VERSION_TOO_LOW": "unsupported_version",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "no_client_certificate",
    "NO_SHARED_CIPHER": "no_shared_cipher",
}


def handshake_failure(error: OSError) -> str:
    """Why a handshake failed, in few words: a label must not grow with what clients invent."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "bad_client_certificate"
    if isinstance(error, ssl.SSLEOFError):
        return "client_gone"
    if isinstance(error, ssl.SSLError):
        name = error.reason or ""
        return "refused_by_client" if "ALERT" in name else _REASONS.get(name, "protocol_error")
    # Both event loops end a handshake that takes too long with this, and a lost connection with its sibling.
    return "timeout" if isinstance(error, ConnectionAbortedError) else "client_gone"
