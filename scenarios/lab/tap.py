"""A recording proxy on the way to a service: what somebody sees who sits on that wire.

It passes bytes on as they are and keeps a copy. Loopback only, bounded, gone with its block.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Final

from scenarios.lab.target import Target

MOST: Final = 1_048_576
"""Bytes that are kept of all connections together."""
BEARER: Final = re.compile(rb"(?i)authorization: *bearer ([\w.~+/=-]+)")


class Tap:
    """Listens at `address` and forwards to `upstream` (`host:port`)."""

    def __init__(self, upstream: str) -> None:
        host, _, port = upstream.rpartition(":")
        self._upstream = (host, int(port))
        self._kept = bytearray()
        self._open: set[socket.socket] = set()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def seen(self) -> bytes:
        """What passed, in both directions."""
        return bytes(self._kept)

    @property
    def tokens(self) -> list[str]:
        """Bearer tokens that can be read in it."""
        return sorted({one.decode() for one in BEARER.findall(self.seen)})

    def close(self) -> None:
        """End everything."""
        self._listening.close()
        for one in list(self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listening.accept()
                server = socket.create_connection(self._upstream, 5)
                self._open |= {client, server}
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, reading: socket.socket, writing: socket.socket) -> None:
        with suppress(OSError):
            while piece := reading.recv(65_536):
                self._kept += piece[: MOST - len(self._kept)]
                writing.sendall(piece)
        with suppress(OSError):
            writing.shutdown(socket.SHUT_WR)


@contextmanager
def on_the_way_to(lab: Target, service: str) -> Iterator[Tap]:
    """A tap between the gateway and a service; in the mesh, between the gateway and the service's sidecar."""
    with ExitStack() as stack:
        tap = Tap(lab.address_of(service))
        stack.callback(tap.close)
        stack.enter_context(lab.rerouted(service, tap.address))
        yield tap
