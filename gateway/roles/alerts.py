"""Telling a client why its handshake failed.

The problem: asyncio and uvloop close the connection of a failed handshake without sending the alert that OpenSSL
has written (RFC 8446 section 6.2: "SHOULD send"), so that a client without a certificate sees a reset and no reason.
The rule: what OpenSSL has written when it fails goes out on the socket, then the connection closes as before.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from contextvars import ContextVar
from typing import Any

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
