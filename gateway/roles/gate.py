"""The way in to a listener with TLS or the PROXY protocol: what happens before a connection's first request.

    step        what happens                                                ends badly with
    accept      a peer that may not connect here is closed                  untrusted_proxy, too_many_connections…
    header      the PROXY header says who the client is                     proxy_header_invalid, _timeout, _missing
    admission   the client's address is counted                             too_many_connections…
    handshake   TLS, with the certificate of the name asked for             a reason of `handshake_failure`

The problem: all of this costs time and memory before anybody is known. The rule: one task for each newcomer, each
step bounded in time, connections counted before the handshake; then the connection is one like any other.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
from typing import TYPE_CHECKING, Final

from gateway.http.proxy_protocol import V2_FIXED, V2_MAX, Header, Malformed, read_header
from gateway.http.server import ServerConnection
from gateway.roles.certificates import Certificates
from gateway.roles.handshake import SHAKING_HANDS, handshake_failure
from gateway.roles.mesh_peers import MeshCertificate
from gateway.spec.models import Listener as Spec

if TYPE_CHECKING:
    from gateway.roles.listener import Listener

BACKLOG: Final = 1_024
PAUSE: Final = 0.5
"""Seconds to wait when no connection can be accepted: no certificate, no file descriptor."""

log = logging.getLogger("gateway.gate")


class Gate:
    """Accepts connections for one listener and brings them in."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._metrics = listener.worker.metrics
        self._tasks: set[asyncio.Task[None]] = set()
        self._accepting: asyncio.Task[None] | None = None
        self._trusted: list[ipaddress.IPv4Network | ipaddress.IPv6Network] | None = None
        self._certificates: Certificates | MeshCertificate | None = None

    def configure(self, spec: Spec) -> None:
        """Take over certificates and trusted proxies; they hold for the next connection."""
        proxies = spec.proxy_protocol
        self._trusted = [ipaddress.ip_network(one) for one in proxies.trusted] if proxies else None
        self._header_timeout = spec.header_timeout
        before = self._certificates
        if spec.tls is None or (before is not None and before.spec == spec.tls):
            return
        made = MeshCertificate if spec.tls.mesh else Certificates
        fresh = made(spec.name, spec.tls, self._listener.worker)
        if before is None or fresh.context() is not None:
            self._certificates = fresh
            if before is not None:
                before.retire()

    def start(self, sock: socket.socket) -> None:
        """Accept on a socket that is bound already."""
        sock.setblocking(False)
        sock.listen(BACKLOG)
        self._accepting = asyncio.get_running_loop().create_task(self._accept(sock))

    def renew(self) -> None:
        """Take up renewed certificates."""
        if self._certificates is not None:
            self._certificates.renew()

    def close(self) -> None:
        """Accept no more; who is on the way in has time to arrive."""
        if self._accepting is not None:
            self._accepting.cancel()

    def abort(self) -> None:
        """End what is on the way in."""
        for task in self._tasks:
            task.cancel()

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with listening:
            while True:
                if self._certificates is not None and self._certificates.context() is None:
                    await asyncio.sleep(PAUSE)  # another worker may have one, and takes the connection
                    continue
                try:
                    sock, address = await loop.sock_accept(listening)
                except OSError as error:  # out of file descriptors, as a rule: those inside go on
                    log.error("cannot accept: %s", error)
                    await asyncio.sleep(PAUSE)
                    continue
                task = loop.create_task(self._receive(sock, address[0]))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _receive(self, sock: socket.socket, peer: str) -> None:
        """Bring one connection in, or close it and count why."""
        connection = self._listener.connection()
        inside = False
        try:
            inside = await self._identify(connection, sock, peer) and await self._enter(connection, sock)
        finally:
            if not inside:
                self._listener.left(connection)
                sock.close()

    async def _identify(self, connection: ServerConnection, sock: socket.socket, peer: str) -> bool:
        """Find out who the client is, and whether there is room for it."""
        connection.peer = peer
        if self._trusted is not None:
            reason = await self._ask_proxy(connection, sock)
            if reason:
                self._listener.turned_away(reason)
                return False
        return self._listener.admits(connection)

    async def _ask_proxy(self, connection: ServerConnection, sock: socket.socket) -> str:
        """Let the balancer say who the client is; the reason to refuse, or ""."""
        if not self._trusts(connection.peer):
            return "untrusted_proxy"
        if len(self._tasks) > self._listener.max_connections:  # not counted yet, so bounded here
            return "too_many_connections"
        return await self._read_header(connection, sock)

    def _trusts(self, peer: str) -> bool:
        address = ipaddress.ip_address(peer)
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped  # an IPv4 peer on a socket that takes both
        return any(address in network for network in self._trusted or ())

    async def _read_header(self, connection: ServerConnection, sock: socket.socket) -> str:
        try:
            async with asyncio.timeout(self._header_timeout):
                header = await receive_header(sock)
        except TimeoutError:
            return "proxy_header_timeout"
        except Malformed as error:
            log.warning("listener %s: PROXY header refused: %s", self._listener.name, error)
            return "proxy_header_invalid"
        except (EOFError, OSError):
            return "proxy_header_missing"
        connection.peer = header.source or connection.peer
        return ""

    async def _enter(self, connection: ServerConnection, sock: socket.socket) -> bool:
        """Make the socket a connection, behind TLS if there is any; False when the handshake failed."""
        loop, certificates = asyncio.get_running_loop(), self._certificates
        SHAKING_HANDS.set(sock)
        try:
            await loop.connect_accepted_socket(
                lambda: connection,
                sock,
                ssl=certificates.context() if certificates else None,
                ssl_handshake_timeout=certificates.spec.handshake_timeout if certificates else None,
            )
        except OSError as error:  # ssl.SSLError is one
            self._metrics.handshakes.add(self._listener.name, handshake_failure(error))
            return False
        if certificates:
            self._metrics.handshakes.add(self._listener.name, "complete")
        return True


async def receive_header(sock: socket.socket) -> Header:
    """Take exactly the PROXY header from a socket: what follows it stays there for whoever reads next.

    Raises:
        Malformed: the bytes are no header.
        EOFError: the peer closed before the header was complete.
    """
    data = b""
    while True:
        await _readable(sock)
        fresh = sock.recv(V2_FIXED + V2_MAX, socket.MSG_PEEK)
        if not fresh:
            raise EOFError
        header = read_header(data + fresh)
        # An incomplete header has no bytes after it, so all that came is its own.
        data += sock.recv(len(fresh) if header is None else header.length - len(data))
        if header is not None:
            return header


async def _readable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(sock, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(sock)
