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
then sets itself as `exchange` and answers through the other half of this class, `gateway.http.answering`. A later
HTTP/2 connection offers the same `send_*` methods per stream.
"""

from __future__ import annotations

import asyncio
import re
from typing import Final

from gateway.http.answering import ANSWER, BODY, HEAD, LINGER, MAX_EARLY_BYTES, TUNNEL, Answering
from gateway.http.chunked import ChunkedDecoder
from gateway.http.grammar import END_OF_HEAD
from gateway.http.heads import read_request
from gateway.http.messages import CHUNKED, Refused, Reply

LINGER_BYTES: Final = 1_048_576
_EMPTY_LINES: Final = re.compile(rb"(?:\r\n)*+")


class ServerConnection(Answering):
    """One client's connection on an HTTP/1.1 listener."""

    __slots__ = ()

    reader = staticmethod(read_request)
    """Makes a request of a head; a forward proxy's knows more forms (`gateway.http.proxying`)."""

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
        phase = self.phase
        if phase == TUNNEL and self.exchange is not None:
            self.exchange.request_data(data)
            return
        if phase == LINGER:
            self._drop(data)
            return
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        try:
            if phase == HEAD:
                self._read_head(data)
            elif phase == BODY:
                self._read_body(data)
            else:
                self._keep(data)
        except Refused as refusal:
            self._refuse(refusal.reply)

    # -- reading ---------------------------------------------------------------------------------------------

    def _read_head(self, data: bytes) -> None:
        if data[:2] == b"\r\n":  # RFC 9112 §2.2: empty lines before a request line are ignored, however they are cut
            data = data[_EMPTY_LINES.match(data).end() :]  # type: ignore[union-attr]  # it matches anything
        server = self.server
        end = data.find(END_OF_HEAD) + 4
        if end < 4 or end > server.max_header_bytes:
            self._wait_for_head(data)
            return
        request = self.reader(data if end == len(data) else data[:end])
        request.listener = server.name
        request.scheme = server.scheme
        self.request = request
        self._head_begun = False
        self.deadline = 0.0
        if request.length == 0:
            self.phase = ANSWER
            self._buffer = data[end:]
            server.handle(request, self)
            return
        if request.length > server.max_body_bytes:
            raise Refused(413, "body_too_large", f"at most {server.max_body_bytes} bytes")
        self._received = 0
        self._waited_for_body = 0.0
        self._looked_at_body = server.clock()
        self._body_left = request.length
        self._decoder = ChunkedDecoder() if request.length == CHUNKED else None
        self.phase = BODY
        server.handle(request, self)
        if self.phase == BODY and len(data) > end:
            self._read_body(data[end:])

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

    def body_too_slow(self, now: float) -> bool:
        """Whether a body has used up its time: a start, and more for every byte that came (slow-body attacks).

        Like Apache's mod_reqtimeout. Time in which we ourselves do not read, because the upstream is slow, is free.
        """
        waited = 0.0 if self._reading_paused else now - self._looked_at_body
        self._looked_at_body = now
        self._waited_for_body += waited
        server = self.server
        if not server.min_body_rate or self.phase != BODY:
            return False
        return self._waited_for_body > server.body_grace + self._received / server.min_body_rate

    # -- from one request to the next ------------------------------------------------------------------------

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

    def _refuse(self, reply: Reply) -> None:
        """Answer a broken request in the order it came, and stop listening to this client's framing."""
        self._buffer = b""
        if self.exchange is not None and self.request is not None:  # the body broke: its exchange answers
            self.request.keep_alive = False
            self.exchange.request_refused(reply)
            return
        self.transport.write(self.server.refuse(reply, self))
        self._linger()

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

    def drain(self, grace: float) -> None:
        """The listener is closing: answers say so, and a connection that stays idle for `grace` seconds goes.

        Closing idle connections at once would meet requests that are on their way (RFC 9112 section 9.5).
        """
        if self.phase == HEAD and not self._buffer:
            self.deadline = min(self.deadline, self.server.clock() + grace)
