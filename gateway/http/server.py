"""A client's connection: bytes in, requests out; answers in, bytes out. HTTP/1.1 only; nothing here decides policy.

The problem: a client may send slowly, send the next request before the answer to this one, stop reading, or go
away at any byte. The rule: one request at a time, answered in order; what comes early waits in a bounded buffer
with reading paused; and the phase says what the next bytes are:

    phase    bytes mean                       leaves when
    HEAD     the next request's head          the head is complete → BODY or ANSWER
    BODY     the request's body               the body is complete → ANSWER
    ANSWER   an early next request: buffered  the answer is complete → HEAD, or the connection closes
             (an exchange that answers before a small body is complete stays in BODY: the rest is read and dropped)
    TUNNEL   whatever both ends agreed on: passed   either side closes
    LINGER   nothing: read and dropped        the client closes, or time is up (RFC 9112 §9.6)

The connection knows only two partners: the server whose `handle` it gives each request to, and the exchange that
then sets itself as `exchange`. A later HTTP/2 connection offers the same `send_*` methods per stream.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import struct
from collections.abc import Callable
from typing import Final, Protocol

from gateway.http.chunked import LAST_CHUNK, ChunkedDecoder, encode_chunk
from gateway.http.grammar import END_OF_HEAD
from gateway.http.heads import read_request
from gateway.http.hop import UPGRADE_LINES
from gateway.http.messages import AS_STATED, CHUNKED, Refused, Reply, Request
from gateway.http.status import status_line

HEAD, BODY, ANSWER, TUNNEL, LINGER = range(5)

LINGER_SECONDS: Final = 2.0
LINGER_BYTES: Final = 1_048_576
MAX_EARLY_BYTES: Final = 65_536

_EMPTY_LINES: Final = re.compile(rb"(?:\r\n)*+")
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Exchange(Protocol):
    """What the connection tells the exchange that it carries."""

    def request_data(self, data: bytes) -> None:
        """A piece of the request's body."""

    def request_end(self) -> None:
        """The request's body is complete."""

    def request_refused(self, reply: Reply) -> None:
        """The request's body broke the protocol: answer with this, or break the answer that has begun."""

    def client_gone(self) -> None:
        """The client left; nobody wants the answer."""

    def client_slow(self) -> None:
        """The client's buffer is full: stop the upstream."""

    def client_ready(self) -> None:
        """The client has caught up: let the upstream go on."""


class Server(Protocol):
    """What a connection needs from the listener that accepted it."""

    name: str
    scheme: str
    trusted_hops: int
    max_header_bytes: int
    max_body_bytes: int
    header_timeout: float
    idle_timeout: float
    closing: bool
    clock: Callable[[], float]

    def accepts(self, connection: ServerConnection) -> bool:
        """Whether one more connection may stand; if so it is counted."""

    def left(self, connection: ServerConnection) -> None:
        """A connection has ended."""

    def handle(self, request: Request, connection: ServerConnection) -> None:
        """Answer a request through `connection`."""

    def refuse(self, reply: Reply, connection: ServerConnection) -> bytes:
        """The bytes of an answer to a peer that broke the protocol; also counts it."""


def reset_on_close(transport: asyncio.Transport) -> None:
    """Let closing this connection send RST instead of FIN (SO_LINGER of zero seconds)."""
    pseudo = transport.get_extra_info("socket")
    if pseudo is None or pseudo.fileno() < 0:
        return
    with socket.socket(fileno=os.dup(pseudo.fileno())) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class ServerConnection(asyncio.Protocol):
    """One client's connection on an HTTP/1.1 listener."""

    __slots__ = (
        "_answering",
        "_behind",
        "_body_left",
        "_buffer",
        "_chunked_answer",
        "_close_after",
        "_decoder",
        "_dropped",
        "_head_begun",
        "_reading_paused",
        "_received",
        "deadline",
        "exchange",
        "peer",
        "phase",
        "request",
        "server",
        "transport",
    )

    def __init__(self, server: Server) -> None:
        self.server = server
        self.transport: asyncio.Transport = None  # type: ignore[assignment]  # set by connection_made
        self.exchange: Exchange | None = None
        self.request: Request | None = None
        self.peer = ""
        self.phase = HEAD
        self.deadline = 0.0
        """When the sweep closes this connection, on the server's clock; 0.0 while an exchange has its own."""
        self._buffer = b""
        self._body_left = 0
        self._decoder: ChunkedDecoder | None = None
        self._received = 0
        self._dropped = 0
        self._head_begun = False
        self._reading_paused = False
        self._behind = False
        self._answering = False
        self._chunked_answer = False
        self._close_after = False

    # -- the transport's side --------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept, or close at once when the listener is full or closing."""
        self.transport = transport  # type: ignore[assignment]
        if not self.peer:  # else a load balancer has said it
            peername = transport.get_extra_info("peername")
            self.peer = peername[0] if peername else ""
        if not self.server.accepts(self):
            self.transport.abort()
            return
        self.deadline = self.server.clock() + self.server.header_timeout

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone: its exchange is told, so that the upstream request stops too."""
        self.server.left(self)
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.client_gone()

    def pause_writing(self) -> None:
        """The client reads slower than the upstream answers."""
        self._behind = True
        if self.exchange is not None:
            self.exchange.client_slow()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._behind = False
        if self.exchange is not None:
            self.exchange.client_ready()
        elif self.phase == HEAD:
            self._to_head()

    def eof_received(self) -> None:
        """A client that closes its side has gone: like Envoy, we do not tell a half-close from a leave."""

    def data_received(self, data: bytes) -> None:
        """Give the bytes their meaning by phase; a broken protocol is answered once and the connection closed."""
        if self.phase == TUNNEL and self.exchange is not None:
            self.exchange.request_data(data)
            return
        if self.phase == LINGER:
            self._drop(data)
            return
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        try:
            if self.phase == BODY:
                self._read_body(data)
            elif self.phase == HEAD:
                self._read_head(data)
            else:
                self._keep(data)
        except Refused as refusal:
            self._refuse(refusal.reply)

    # -- reading ---------------------------------------------------------------------------------------------

    def _read_head(self, data: bytes) -> None:
        if data[:2] == b"\r\n":  # RFC 9112 §2.2: empty lines before a request line are ignored, however they are cut
            data = data[_EMPTY_LINES.match(data).end() :]  # type: ignore[union-attr]  # it matches anything
        end = data.find(END_OF_HEAD) + 4
        if end < 4 or end > self.server.max_header_bytes:
            self._wait_for_head(data)
            return
        request = read_request(data if end == len(data) else data[:end])
        request.listener = self.server.name
        request.scheme = self.server.scheme
        self.request = request
        self._head_begun = False
        self.deadline = 0.0
        if request.length == 0:
            self._begin(request, data[end:], complete=True)
            return
        if request.length > self.server.max_body_bytes:
            raise Refused(413, "body_too_large", f"at most {self.server.max_body_bytes} bytes")
        self._received = 0
        self._body_left = request.length
        self._decoder = ChunkedDecoder() if request.length == CHUNKED else None
        self._begin(request, data[end:], complete=False)

    def _wait_for_head(self, data: bytes) -> None:
        if len(data) > self.server.max_header_bytes:
            first_line = data.find(b"\r\n", 0, self.server.max_header_bytes)
            if first_line < 0:
                raise Refused(414, "target_too_long", f"a head has at most {self.server.max_header_bytes} bytes")
            raise Refused(431, "fields_too_large", f"a head has at most {self.server.max_header_bytes} bytes")
        if not self._head_begun and data:
            self._head_begun = True
            self.deadline = self.server.clock() + self.server.header_timeout
        self._buffer = data

    def _begin(self, request: Request, rest: bytes, complete: bool) -> None:
        self.phase = ANSWER if complete else BODY
        if complete:
            self._buffer = rest
        self.server.handle(request, self)
        if self.phase == BODY and rest:
            self._read_body(rest)

    def _read_body(self, data: bytes) -> None:
        if self._decoder is not None:
            piece = self._decoder.feed(data)
            complete, rest = self._decoder.done, self._decoder.unused
        else:
            piece, rest = data[: self._body_left], data[self._body_left :]
            self._body_left -= len(piece)
            complete = self._body_left == 0
        self._received += len(piece)
        if self._received > self.server.max_body_bytes:
            raise Refused(413, "body_too_large", f"at most {self.server.max_body_bytes} bytes")
        if complete:
            self.phase = ANSWER
            self._buffer = rest
        exchange = self.exchange
        if exchange is None:  # answered already: the rest of the body was only read to keep the connection
            if complete:
                self._to_head()
            return
        if piece:
            exchange.request_data(piece)
        if complete:
            exchange.request_end()

    def _keep(self, data: bytes) -> None:
        """An early next request waits; a client that sends more than a buffer of them is not read from."""
        self._buffer = data
        if len(data) > MAX_EARLY_BYTES:
            self.pause_reading()

    def _drop(self, data: bytes) -> None:
        self._dropped += len(data)
        if self._dropped > LINGER_BYTES:
            self.transport.abort()

    def pause_reading(self) -> None:
        """Stop taking bytes from the client: its upstream, or its own earlier request, is not ready."""
        if not self._reading_paused and not self.transport.is_closing():
            self._reading_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Take bytes again."""
        if self._reading_paused and not self.transport.is_closing():
            self._reading_paused = False
            self.transport.resume_reading()

    # -- answering (the exchange's side) ---------------------------------------------------------------------

    def send_head(self, status: int, fields: bytes, length: int, body: bytes = b"") -> None:
        """Begin the answer: `fields` are ready lines, `length` the body's length, CHUNKED or AS_STATED.

        Head and first bytes of the body go out in one write: a small answer costs one system call.
        """
        request = self.request
        assert request is not None
        self._answering = True
        self._close_after = (
            not request.keep_alive or self.server.closing or (self.phase == BODY and not self._worth_reading(request))
        )
        self._chunked_answer = False
        if length == CHUNKED and request.version == "1.1":
            self._chunked_answer = True
            framing = b"transfer-encoding: chunked\r\n"
            body = encode_chunk(body) if body else b""
        elif length == CHUNKED:
            self._close_after, framing = True, b""  # HTTP/1.0: the end of the connection ends the body
        elif length == AS_STATED:
            framing = b""
        else:
            framing = b"content-length: %d\r\n" % length
        closing = b"connection: close\r\n\r\n" if self._close_after else b"\r\n"
        self.transport.write(b"".join((status_line(status), fields, framing, closing, body)))

    def send_upgraded(self, fields: bytes) -> None:
        """Both sides have agreed: from here on bytes pass as they are, first those that came early."""
        self._answering = True
        self._chunked_answer = False
        self._close_after = True
        self.phase = TUNNEL
        self.deadline = 0.0
        self.transport.write(b"".join((status_line(101), fields, UPGRADE_LINES, b"\r\n")))
        early, self._buffer = self._buffer, b""
        self.resume_reading()
        if early and self.exchange is not None:
            self.exchange.request_data(early)

    def send_data(self, data: bytes) -> None:
        """Go on with the body."""
        self.transport.write(encode_chunk(data) if self._chunked_answer else data)

    def send_end(self) -> None:
        """The answer is complete: close, or go on to the next request."""
        if self._chunked_answer:
            self.transport.write(LAST_CHUNK)
        self.exchange = None
        self._answering = False
        if self._close_after or self.transport.is_closing():
            self._linger()
        elif self.phase == BODY:
            self.deadline = self.server.clock() + self.server.header_timeout
            self.resume_reading()
        else:
            self._to_head()

    def _worth_reading(self, request: Request) -> bool:
        """Whether to read the rest of an unwanted body, to keep the connection: only if it is short and coming."""
        return self._decoder is None and self._body_left <= MAX_EARLY_BYTES and not request.expects_continue

    def _to_head(self) -> None:
        self.phase = HEAD
        self.request = None
        self.deadline = self.server.clock() + self.server.idle_timeout
        if self._behind:  # a client that sends requests and takes no answers would fill our memory with them
            self.pause_reading()
            return
        if self._reading_paused:
            self.resume_reading()
        if self._buffer:
            # Not from here: a client could otherwise make us recurse once per pipelined request.
            asyncio.get_running_loop().call_soon(self._next_request)

    def _next_request(self) -> None:
        if self.phase == HEAD and not self.transport.is_closing() and not self._behind and self._buffer:
            self.data_received(b"")

    def send_broken(self) -> None:
        """The answer cannot be completed: make sure that the client sees that (RFC 9112 section 8).

        A reset, not an end: to a client that reads until the connection closes, an end would look complete.
        """
        self.exchange = None
        reset_on_close(self.transport)
        self.transport.abort()

    def _refuse(self, reply: Reply) -> None:
        """Answer a broken request in the order it came, and stop listening to this client's framing."""
        self._buffer = b""
        if self.exchange is not None and self.request is not None:  # the body broke: its exchange answers
            self.request.keep_alive = False
            self.exchange.request_refused(reply)
            return
        self.transport.write(self.server.refuse(reply, self))
        self._linger()

    def send_continue(self) -> None:
        """Tell a client that waits for it to send its body (RFC 9110 section 10.1.1)."""
        if self.request is not None and self.request.expects_continue and self.phase == BODY and not self._received:
            self.transport.write(CONTINUE)

    def _linger(self) -> None:
        """Close so that the client still gets the answer: no RST while its bytes are unread (RFC 9112 section 9.6)."""
        self.phase = LINGER
        self._dropped = 0
        self.request = None
        self.resume_reading()
        unsent = self.transport.get_write_buffer_size()  # a slow reader still gets the rest of its answer
        self.deadline = self.server.clock() + (self.server.idle_timeout if unsent else LINGER_SECONDS)
        if self.transport.is_closing():
            return
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()  # TLS ends with a message of its own, and waits for the client's (RFC 8446 §6.1)

    def sweep(self, now: float) -> None:
        """Close the connection if its time is up: an unfinished head gets 408, an idle connection nothing."""
        if not self.deadline or now < self.deadline or self.transport.is_closing():
            return
        if self.phase == LINGER or self.transport.get_write_buffer_size():
            self.transport.abort()  # `close` would wait for a client that takes nothing, for ever
        elif self.phase == HEAD and self._buffer:
            self._refuse(Reply(408, "header_timeout", "the request's head did not arrive in time"))
        else:
            self.transport.close()

    def drain(self) -> None:
        """The listener is closing: idle connections go now, others after their answer."""
        if self.phase == HEAD and not self._buffer:
            self.transport.close()
