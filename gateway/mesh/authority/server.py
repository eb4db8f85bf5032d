"""The authority's port: TLS with a certificate of its own; clients may show theirs.

    who connects                  may say
    without a certificate         enrol (token, request)
    with one of ours              renew (request), watch

`watch` keeps the connection open: the roots to believe and the revoked are sent at once and whenever they change, and
with them the wish to renew, after the authority has changed its intermediate. Messages: gateway.mesh.lines.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from gateway.mesh.authority.issuer import Denied, Intermediate, Issuer
from gateway.mesh.lines import LONGEST, BadLine, as_line, read_line
from gateway.mesh.request import new_request
from gateway.upstream.workload import Peer, Stranger, Workload

log = logging.getLogger("gateway.authority")

MAX_CONNECTIONS: Final = 1_000
QUESTION_SECONDS: Final = 10.0


class AuthorityServer:
    """Answers workloads."""

    def __init__(self, issuer: Issuer, workload: Workload, wall: Callable[[], float]) -> None:
        """`workload` is the authority's own identity, which it certifies itself."""
        self.issuer = issuer
        self.results: Counter[tuple[str, str]] = Counter()
        """How often what was asked ended how."""
        self._workload, self._wall = workload, wall
        self._watchers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._server: asyncio.Server | None = None
        self._socket: socket.socket | None = None
        self.certify_myself()

    def certify_myself(self) -> None:
        """A certificate for our own port."""
        key, request = new_request()
        chain = self.issuer.myself(self._workload.identity, request)
        self._workload.install(chain, key, self.issuer.bundle.encode())

    async def start(self, listening: socket.socket) -> None:
        """Listen on a socket that is bound already."""
        self._socket = listening
        await self._listen()

    async def _listen(self) -> None:
        """With the certificate and the roots of now; connections that stand stay."""
        assert self._socket is not None
        if self._server is not None:
            self._server.close()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._workload.equip(context)
        context.verify_mode = ssl.CERT_OPTIONAL  # who has just been started has none yet
        context.num_tickets = 0
        self._server = await asyncio.start_server(
            self._serve, sock=self._socket.dup(), ssl=context, limit=LONGEST, ssl_handshake_timeout=QUESTION_SECONDS
        )

    async def stop(self) -> None:
        """Close every connection."""
        if self._server is not None:
            self._server.close()
        if self._socket is not None:
            self._socket.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def tend(self) -> None:
        """What time brings: our own renewal, the end of a former root. Runs until cancelled."""
        while True:
            await asyncio.sleep(1.0)
            if self._wall() >= self._workload.leave:
                self.certify_myself()
                await self._listen()
            if self.issuer.settle():
                log.info("nobody depends on the former root any more: it is no longer believed")
                self.tell()
                await self._listen()

    async def adopt(self, intermediate: Intermediate) -> None:
        """Take up a new intermediate: both roots are believed, and everybody is asked to renew."""
        self.issuer.adopt(intermediate)
        self.tell()  # everybody believes the new root before anybody shows a certificate of it
        self.certify_myself()
        await self._listen()
        self.tell(renew=True)

    def revoke(self, identity: str) -> int:
        """Shut an identity out; how many certificates that ends."""
        ended = self.issuer.register.revoke(identity)
        self.tell()
        return ended

    def allow(self, identity: str) -> None:
        """Let an identity in again; what was revoked stays so."""
        self.issuer.register.allow(identity)
        self.tell()

    def tell(self, *, renew: bool = False) -> None:
        """Send everybody who watches what to believe now."""
        register = self.issuer.register
        self._workload.trust(self.issuer.bundle.encode(), register.revoked(), frozenset(register.barred))
        line = as_line(self._trust() | {"renew": renew})
        for writer in self._watchers:
            writer.write(line)

    def _trust(self) -> dict[str, Any]:
        register = self.issuer.register
        return {
            "bundle": self.issuer.bundle,
            "revoked": sorted(register.revoked()),
            "barred": sorted(register.barred),
        }

    # -- connections -----------------------------------------------------------------------------------------

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if len(self._tasks) <= MAX_CONNECTIONS:
                await self._converse(reader, writer)
        except (BadLine, TimeoutError) as error:
            log.warning("a broken message: %s", error or type(error).__name__)
        except (ConnectionError, ssl.SSLError, asyncio.CancelledError):
            pass  # whoever it was has gone, or we go
        finally:
            self._tasks.discard(task)
            self._watchers.discard(writer)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = self._peer(writer)
        while message := await asyncio.wait_for(read_line(reader), QUESTION_SECONDS):
            if message.get("do") == "watch" and peer is not None:
                self._watchers.add(writer)
                writer.write(as_line(self._trust() | {"renew": False}))
                with contextlib.suppress(BadLine, TimeoutError):  # until it goes away, or comes with its next one
                    await asyncio.wait_for(read_line(reader), max(0.0, peer.expires - self._wall()))
                return
            writer.write(as_line(self._answer(message, peer)))
            await writer.drain()

    def _peer(self, writer: asyncio.StreamWriter) -> Peer | None:
        certificate = writer.get_extra_info("peercert")
        try:
            return self._workload.peer(certificate) if certificate else None
        except Stranger as stranger:
            self.results["connect", stranger.reason] += 1
            return None

    def _answer(self, message: dict[str, Any], peer: Peer | None) -> dict[str, Any]:
        asked = str(message.get("do"))
        if asked not in ("enrol", "renew"):
            asked = "other"
        try:
            chain = self._grant(message, peer)
        except Denied as denied:
            self.results[asked, denied.reason] += 1
            log.warning("no certificate for %s: %s", peer.identity if peer else "a newcomer", denied.reason)
            return {"error": denied.reason}
        self.results[asked, "granted"] += 1
        return {"chain": chain.decode(), **self._trust()}

    def _grant(self, message: dict[str, Any], peer: Peer | None) -> bytes:
        match message:
            case {"do": "enrol", "token": str(token), "request": str(request)}:
                life = message.get("life", 0.0)
                return self.issuer.enrol(token, request, life if isinstance(life, int | float) else 0.0)
            case {"do": "renew", "request": str(request)} if peer is not None:
                if self._wall() >= peer.expires:  # it was good when the connection was made
                    raise Denied("expired")
                return self.issuer.renew(peer.identity, peer.serial, request)
        raise Denied("not_allowed")
