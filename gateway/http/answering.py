"""The answering half of a client's connection: what an exchange says, as bytes.

The problem: an answer must be framed so that its end is never in doubt, a small one must cost one system call, and
a connection must close in such a way that the client still gets what was said. The rule: `send_head`, `send_data`,
`send_end`, once each in this order; or `send_broken`, which the client cannot mistake for an end. Whether the
connection goes on is decided when the head goes out, because the head says so.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from typing import Final

from gateway.http.chunked import LAST_CHUNK, ChunkedDecoder, encode_chunk
from gateway.http.hop import UPGRADE_LINES
from gateway.http.messages import AS_STATED, Request
from gateway.http.partners import Exchange, Server
from gateway.http.status import status_line

HEAD, BODY, ANSWER, TUNNEL, LINGER = range(5)
"""The phases of a connection; the table stands in gateway.http.server."""

LINGER_SECONDS: Final = 2.0
MAX_EARLY_BYTES: Final = 65_536
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


def reset_on_close(transport: asyncio.Transport) -> None:
    """Let closing this connection send RST instead of FIN (SO_LINGER of zero seconds)."""
    pseudo = transport.get_extra_info("socket")
    if pseudo is None or pseudo.fileno() < 0:
        return
    with socket.socket(fileno=os.dup(pseudo.fileno())) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Answering(asyncio.Protocol):
    """The state of a client's connection, and the half of it that an exchange drives."""

    __slots__ = (
        "_behind",
        "_body_left",
        "_buffer",
        "_chunked_answer",
        "_close_after",
        "_decoder",
        "_dropped",
        "_head_begun",
        "_looked_at_body",
        "_reading_paused",
        "_received",
        "_waited_for_body",
        "deadline",
        "exchange",
        "peer",
        "phase",
        "request",
        "requests",
        "server",
        "transport",
    )

    def __init__(self, server: Server) -> None:
        self.server = server
        self.transport: asyncio.Transport = None  # type: ignore[assignment]  # set by connection_made
        self.exchange: Exchange | None = None
        self.request: Request | None = None
        self.requests = 0
        """How many requests it has brought; counted only where the listener limits them."""
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
        self._looked_at_body = 0.0
        self._waited_for_body = 0.0
        self._reading_paused = False
        self._behind = False
        self._chunked_answer = False
        self._close_after = False

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

    def send_head(self, status: int, fields: bytes, length: int, body: bytes = b"") -> None:
        """Begin the answer: `fields` are ready lines, `length` the body's length, CHUNKED or AS_STATED.

        Head and first bytes of the body go out in one write: a small answer costs one system call.
        """
        request = self.request
        assert request is not None
        close = not request.keep_alive or self.server.closing
        if self.phase == BODY and not self._worth_reading(request):
            close = True
        self._chunked_answer = False
        if length >= 0:
            framing = b"content-length: %d\r\n" % length
        elif length == AS_STATED:
            framing = b""
        elif request.version == "1.1":
            self._chunked_answer = True
            framing = b"transfer-encoding: chunked\r\n"
            body = encode_chunk(body) if body else b""
        else:
            close, framing = True, b""  # HTTP/1.0: the end of the connection ends the body
        self._close_after = close
        if close:
            framing += b"connection: close\r\n"
        elif request.version == "1.0":  # or it would not know (RFC 9112 appendix C.2.2)
            framing += b"connection: keep-alive\r\n"
        self.transport.write(b"%b%b%b\r\n%b" % (status_line(status), fields, framing, body))

    def send_interim(self, status: int, fields: bytes) -> None:
        """Say something before the answer; HTTP/1.0 has no such thing (RFC 9110 section 15.2)."""
        if self.request is not None and self.request.version == "1.1":
            self.transport.write(b"".join((status_line(status), fields, b"\r\n")))

    def send_upgraded(self, fields: bytes) -> None:
        """Both sides have agreed on WebSocket."""
        self._begin_tunnel(b"".join((status_line(101), fields, UPGRADE_LINES, b"\r\n")))

    def send_connected(self, fields: bytes) -> None:
        """The way that CONNECT asked for is open; such an answer has no length (RFC 9110 section 9.3.6)."""
        self._begin_tunnel(b"".join((status_line(200), fields, b"\r\n")))

    def _begin_tunnel(self, head: bytes) -> None:
        """From here on bytes pass as they are, first those that came early."""
        self._chunked_answer = False
        self._close_after = True
        self.phase = TUNNEL
        self.deadline = 0.0
        self.transport.write(head)
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

    def send_broken(self) -> None:
        """The answer cannot be completed: make sure that the client sees that (RFC 9112 section 8).

        A reset, not an end: to a client that reads until the connection closes, an end would look complete.
        """
        self.exchange = None
        reset_on_close(self.transport)
        self.transport.abort()

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

    def _to_head(self) -> None:
        """Go on to the next request; the reading half knows how."""
        raise NotImplementedError("a connection that answers also reads")
