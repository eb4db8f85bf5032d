"""A connection to an endpoint: one request out, one answer in, then ready for the next.

The problem: an endpoint may reset, stall, lie about lengths or send bytes nobody asked for, and a kept connection
may be closed by the other side in the same instant in which we write to it. The rule: whatever is not a complete,
well-framed answer is reported as a failure with what had arrived by then, so that the exchange can decide between
another try and a visibly broken answer; a connection is used again only after a complete answer (RFC 9112 §9.3).
"""

from __future__ import annotations

import asyncio
from typing import Final

from gateway.http.chunked import ChunkedDecoder
from gateway.http.closure import end_was_said
from gateway.http.heads import read_response
from gateway.http.messages import CHUNKED, UNTIL_CLOSE, Refused, Request, Response
from gateway.http.partners import Caller, Owner
from gateway.http.upgrade import accepted

MAX_HEAD_BYTES: Final = 65_536
MAX_INTERIM: Final = 16
"""Informational answers before the final one: none of them ends anything, so without a bound they never end."""


class ClientConnection(asyncio.Protocol):
    """One HTTP/1.1 connection to one endpoint."""

    __slots__ = (
        "_buffer",
        "_decoder",
        "_interims",
        "_left",
        "_paused",
        "_request",
        "_response",
        "_sent_all",
        "busy",
        "caller",
        "idle_since",
        "owner",
        "requests",
        "transport",
    )

    def __init__(self, owner: Owner) -> None:
        self.owner = owner
        self.transport: asyncio.Transport = None  # type: ignore[assignment]  # set by connection_made
        self.caller: Caller | None = None
        self.requests = 0
        """How many requests this connection has carried; more than one means that it was reused."""
        self.idle_since = 0.0
        self.busy = False
        """Whether the pool counts a request on it; only the pool sets this."""
        self._buffer = b""
        self._request: Request | None = None
        self._paused = False
        self._response: Response | None = None
        self._interims = 0
        self._sent_all = True
        self._left = 0
        self._decoder: ChunkedDecoder | None = None

    def __repr__(self) -> str:
        return f"<ClientConnection {'idle' if self.caller is None else 'busy'} requests={self.requests}>"

    # -- the exchange's side ---------------------------------------------------------------------------------

    def send(self, caller: Caller, request: Request, head: bytes, end: bool) -> None:
        """Begin a request: `head` (and perhaps body) goes out in one write; `end` when that is all of it."""
        self.caller = caller
        self._request = request
        self._response = self._decoder = None
        self._interims = 0
        self._sent_all = end
        self.requests += 1
        self.transport.write(head)

    def send_data(self, data: bytes) -> None:
        """Go on with the request's body, already framed."""
        self.transport.write(data)

    def send_end(self) -> None:
        """The request is complete."""
        self._sent_all = True

    def cancel(self) -> None:
        """Nobody wants the answer any more: the endpoint sees the connection break and can stop working."""
        self.caller = None
        self.transport.abort()

    def pause(self) -> None:
        """Stop reading the answer: the client is slower than the endpoint."""
        if not self._paused and not self.transport.is_closing():
            self._paused = True
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read the answer again."""
        if self._paused and not self.transport.is_closing():
            self._paused = False
            self.transport.resume_reading()

    # -- the transport's side --------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands; the pool hands it to whoever asked."""
        self.transport = transport  # type: ignore[assignment]

    def pause_writing(self) -> None:
        """The endpoint takes the request's body slower than the client sends it."""
        if self.caller is not None:
            self.caller.upstream_slow()

    def resume_writing(self) -> None:
        """The endpoint has caught up."""
        if self.caller is not None:
            self.caller.upstream_ready()

    def connection_lost(self, exc: Exception | None) -> None:
        """The endpoint is gone: a complete answer only if its end was marked by exactly this."""
        self.owner.lost(self)
        caller, self.caller = self.caller, None
        if caller is None:
            return
        response = self._response
        if response is not None and response.length == UNTIL_CLOSE and exc is None and self._may_end(response):
            caller.answer_data(b"", end=True)
        else:
            silent = response is None and not self._interims and not self._buffer
            caller.answer_failed("upstream_reset", reused=self.requests > 1 and silent)

    def _may_end(self, response: Response) -> bool:
        """RFC 9112 section 9.8: over TLS only a closing message ends an answer; WebSocket has a frame for it."""
        return response.status == 101 or end_was_said(self.transport)

    def data_received(self, data: bytes) -> None:
        """Read the answer; bytes that nobody asked for end the connection."""
        if self.caller is None:
            self.transport.abort()
            return
        try:
            if self._response is None:
                self._read_head(self._buffer + data if self._buffer else data)
            else:
                self._read_body(data)
        except Refused:
            self._fail("upstream_protocol_error")

    def _read_head(self, data: bytes) -> None:
        request = self._request
        assert request is not None
        found = read_response(data, request.target_method)
        while found is not None and found[0].status < 200 and found[1] <= MAX_HEAD_BYTES:
            data = data[found[1] :]
            if found[0].status == 101:
                self._upgraded(request, found[0], data)
                return
            self._pass_on(found[0])
            found = read_response(data, request.target_method)
        if (len(data) if found is None else found[1]) > MAX_HEAD_BYTES:
            self._fail("upstream_head_too_large")
        elif found is None:
            self._buffer = data
        else:
            self._buffer = b""
            self._begin_body(found[0], data[found[1] :])

    def _pass_on(self, interim: Response) -> None:
        """1xx may precede the answer (RFC 9110 section 15.2), but not for ever."""
        self._interims += 1
        if self._interims > MAX_INTERIM:
            raise Refused(502, "upstream_protocol_error", "too many informational answers")
        if self.caller is not None:
            self.caller.answer_interim(interim)

    def _upgraded(self, request: Request, response: Response, rest: bytes) -> None:
        caller = self.caller
        if caller is None or not request.upgrade or not accepted(request, response):
            raise Refused(502, "upstream_protocol_error", "a 101 that does not answer our handshake")
        self._buffer = b""
        response.length = UNTIL_CLOSE  # what follows passes as it is, until one side closes
        self._response = response
        caller.answer_upgraded(response)
        if rest:
            caller.answer_data(rest, end=False)

    def tunnel(self, caller: Caller) -> None:
        """Speak no HTTP at all: what comes passes as it is, until one side closes (RFC 9110 section 9.3.6)."""
        self.caller = caller
        self.requests += 1
        self._response = Response(200, (), {}, UNTIL_CLOSE, keep_alive=False)

    def close(self) -> None:
        """End a tunnel: what is written already still goes out."""
        self.caller = None
        self.transport.close()

    def _begin_body(self, response: Response, rest: bytes) -> None:
        self._response = response
        caller = self.caller
        assert caller is not None
        if len(rest) == response.length:  # all of it in one packet: nearly every small answer
            self._finish(response.keep_alive)
            caller.answer_head(response, rest, True)
            return
        if response.length == CHUNKED:
            self._decoder = ChunkedDecoder()
            body = self._decoder.feed(rest)
            end, surplus = self._decoder.done, self._decoder.unused
        elif response.length == UNTIL_CLOSE:
            body, end, surplus = rest, False, b""
        else:
            body, surplus = rest[: response.length], rest[response.length :]
            self._left = response.length - len(body)
            end = self._left == 0
        if end:
            self._finish(response.keep_alive and not surplus)
        caller.answer_head(response, body, end)

    def _read_body(self, data: bytes) -> None:
        caller, response = self.caller, self._response
        assert caller is not None
        assert response is not None
        surplus = b""
        if response.length == UNTIL_CLOSE:
            body, end = data, False
        elif self._decoder is not None:
            body = self._decoder.feed(data)
            end, surplus = self._decoder.done, self._decoder.unused
        else:
            body, surplus = data[: self._left], data[self._left :]
            self._left -= len(body)
            end = self._left == 0
        if end:
            self._finish(response.keep_alive and not surplus)
        if body or end:
            caller.answer_data(body, end)

    def _finish(self, reusable: bool) -> None:
        self.caller = None
        if self._paused:
            self.resume()
        # An answer that came before the request was complete leaves the connection in the middle of a body.
        self.owner.released(self, reusable and self._sent_all)

    def _fail(self, reason: str) -> None:
        caller, self.caller = self.caller, None
        self.transport.abort()
        if caller is not None:
            caller.answer_failed(reason, reused=False)
