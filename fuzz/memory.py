"""A gateway whose network is memory: same protocols, same event loop, no sockets.

The problem: a fuzzer needs thousands of whole exchanges a second, and must decide itself at which byte a packet
ends. The rule: only the transports are replaced. `MemoryLoop` opens connections to a service in the same process,
`Wire` is a transport that hands over exactly the pieces it is given, and everything between them is the product.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from random import Random
from typing import Any, Final

import httptools

from gateway.compile.load import load_text
from gateway.http.server import ServerConnection
from gateway.roles.listener import Listener
from gateway.roles.worker import Worker

CONFIG: Final = """
listeners: [{name: public, port: 1, maxBodyBytes: 100000, maxHeaderBytes: 4096}]
accessLog: {enabled: false}
clusters: [{name: shop, endpoints: ["127.0.0.1:1"]}]
routes:
  - name: everything
    public: true
    matches: [{path: {value: /}}]
    backendRefs: [{cluster: shop}]
"""
SPEC: Final = load_text(CONFIG, "fuzz.yaml", {})
OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
QUIET_SPINS: Final = 6


class Wire(asyncio.Transport):
    """One end of a connection; `said` is called with what the protocol writes."""

    def __init__(self, protocol: asyncio.Protocol, said: Callable[[bytes], None]) -> None:
        super().__init__({"peername": ("127.0.0.1", 40_000)})
        self.protocol = protocol
        self.sent = bytearray()
        self.ended = False
        """Whether the protocol has said its last byte, by an end or by closing."""
        self.unsent = 0
        """How many bytes the other side has not taken yet, as far as the protocol is told."""
        self.lost = False
        self._said = said
        self._inbox: list[bytes | Exception | None] = []
        self._paused = False
        self._closing = False
        self._loop = asyncio.get_running_loop()

    def feed(self, *pieces: bytes | Exception | None) -> None:
        """The other side speaks; None is its end, an exception a reset."""
        self._inbox.extend(pieces)
        self._pump()

    def _pump(self) -> None:
        while self._inbox and not self._paused and not self._closing:
            piece = self._inbox.pop(0)
            if isinstance(piece, bytes):
                self.protocol.data_received(piece)
            elif piece is not None:
                self._close(piece)
            elif not self.protocol.eof_received():
                self._close(None)

    def _close(self, error: Exception | None) -> None:
        if not self._closing:
            self._closing = self.ended = True
            self._loop.call_soon(self._lose, error)

    def _lose(self, error: Exception | None) -> None:
        self.lost = True
        self.protocol.connection_lost(error)

    def write(self, data: Any) -> None:
        if not self._closing:
            self.sent += data
            self._said(bytes(data))

    def write_eof(self) -> None:
        self.ended = True

    def can_write_eof(self) -> bool:
        return True

    def close(self) -> None:
        self._close(None)

    def abort(self) -> None:
        self._close(None)

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        self._loop.call_soon(self._pump)

    def get_write_buffer_size(self) -> int:
        return self.unsent


class Service:
    """One connection of an upstream that reads with llhttp, a parser that shares nothing with ours.

    llhttp has a list of methods where RFC 9110 §9.1 has any token, so it is shown PUT and the method is kept beside.
    """

    def __init__(self, seen: list[tuple[str, str, bytes]], answer: Callable[[Wire], None]) -> None:
        self.wire: Wire
        self._seen = seen
        self._answer = answer
        self._method = self._url = self._body = b""
        self._within = self._deaf = False
        self._parser = httptools.HttpRequestParser(self)

    def on_url(self, data: bytes) -> None:
        self._url += data

    def on_body(self, data: bytes) -> None:
        self._body += data

    def on_message_complete(self) -> None:
        self._within = False
        self._seen.append((self._method.decode(), self._url.decode(), self._body))
        asyncio.get_running_loop().call_soon(self._answer, self.wire)

    def hear(self, data: bytes) -> None:
        """What the gateway sends, which begins a request with a packet; llhttp raises if that is no HTTP."""
        if self._deaf:
            return
        if not self._within:
            self._method, _, rest = data.partition(b" ")
            self._url = self._body = b""
            self._within, data = True, b"PUT " + rest
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._deaf = True


class MemoryLoop(asyncio.SelectorEventLoop):
    """An event loop whose outgoing connections lead to `Service`."""

    def __init__(self, answer: Callable[[Wire], None]) -> None:
        super().__init__()
        self.seen: list[tuple[str, str, bytes]] = []
        self.wires: list[Wire] = []
        self.failures: list[dict[str, Any]] = []
        self._answer = answer
        self.set_exception_handler(lambda _, context: self.failures.append(context))

    async def create_connection(self, protocol_factory: Any, *_: Any, **__: Any) -> Any:
        service = Service(self.seen, self._answer)
        protocol = protocol_factory()
        service.wire = wire = Wire(protocol, service.hear)
        self.wires.append(wire)
        protocol.connection_made(wire)
        return wire, protocol


def answer_ok(wire: Wire) -> None:
    """The upstream's plain answer."""
    wire.feed(OK)


class Outcome:
    """What one client's connection came to."""

    def __init__(self, said: bytes, ended: bool, seen: list[tuple[str, str, bytes]]) -> None:
        # RFC 9110 §10.1.1: whether 100 is sent may depend on whether the body has come already.
        self.said = said.replace(b"HTTP/1.1 100 Continue\r\n\r\n", b"")
        self.ended = ended
        self.seen = seen


async def settle(loop: MemoryLoop, client: Wire) -> None:
    """Until nothing moves any more."""
    quiet, before = 0, (-1, -1, -1)
    while quiet < QUIET_SPINS:
        await asyncio.sleep(0)
        now = (len(loop.seen), len(loop.wires), len(client.sent))
        quiet, before = (quiet + 1 if now == before else 0), now


def converse(
    pieces: Iterable[bytes],
    answer: Callable[[Wire], None] = answer_ok,
    patient: bool = True,
    leave: bool = True,
) -> Outcome:
    """One client's connection, from its first byte to nothing left of it.

    Args:
        pieces: what the client sends, packet by packet.
        answer: what the upstream does for each complete request.
        patient: everything settles between two packets; otherwise they come at once.
        leave: the client leaves at the end; checked with it: nothing is left of the connection.

    Raises:
        AssertionError: an exception went unhandled, or an exchange, task or connection was left.
    """
    loop = MemoryLoop(answer)
    try:
        return loop.run_until_complete(_converse(loop, pieces, patient, leave))
    finally:
        loop.close()


async def _converse(loop: MemoryLoop, pieces: Iterable[bytes], patient: bool, leave: bool) -> Outcome:
    worker = Worker("fuzz", loop.time, Random(7), None)
    worker.date_line = b"date: now\r\n"
    worker.apply(SPEC, {}, 1)
    listener = Listener(SPEC.listeners[0], worker)
    connection = ServerConnection(listener)
    client = Wire(connection, lambda _: None)
    connection.connection_made(client)
    for piece in pieces:
        client.feed(piece)
        if patient:
            await settle(loop, client)
    await settle(loop, client)
    outcome = Outcome(bytes(client.sent), client.ended, list(loop.seen))
    if leave:
        await _leave(loop, worker, listener, client)
    return outcome


async def _leave(loop: MemoryLoop, worker: Worker, listener: Listener, client: Wire) -> None:
    client.resume_reading()
    client.feed(None)
    await settle(loop, client)
    if not client.lost:  # reading is paused until the upstream answers, and it never will
        client.feed(ConnectionResetError())
        client.abort()
        await settle(loop, client)
    for cluster in worker.snapshot.clusters.values():
        cluster.retire()
    await settle(loop, client)
    assert not loop.failures, loop.failures
    assert not worker.exchanges
    assert not listener.connections
    assert len(asyncio.all_tasks()) == 1
    open_wires = [wire for wire in loop.wires if not wire.lost]
    assert not open_wires, f"{len(open_wires)} upstream connections left"
    for cluster in worker.snapshot.clusters.values():
        assert not cluster.pending
        for endpoint in cluster.endpoints:
            assert (endpoint.active, endpoint.open, endpoint.connecting, endpoint.idle) == (0, 0, 0, [])
