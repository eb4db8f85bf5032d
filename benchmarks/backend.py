"""The upstream for what nginx cannot do: `python -m benchmarks.backend PORT`.

    GET  /stream?bytes=N   N bytes as fast as they are taken
    POST anything else     a reader that waits a second and then takes 256 MiB a second; answers when all has come
    GET  + Upgrade         WebSocket: one small message back for each one (frames are not looked into, only counted)
    POST /v1/traces        a sink for spans; GET /spans tells how many have come
    GET  anything else     a small JSON answer

It is part of the load, not of what is measured, so it does only what its clients here need.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import sys
from typing import cast

import uvloop

from benchmarks.loads.pace import PAUSE, Pace

CHUNK = b"x" * 262_144
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
MESSAGE_BYTES = 64
CLIENT_FRAME = 2 + 4 + MESSAGE_BYTES
SERVER_FRAME = bytes((0x82, MESSAGE_BYTES)) + b"x" * MESSAGE_BYTES

spans = 0
"""How many spans have come to the sink."""


class Connection(asyncio.Protocol):
    """One connection: requests one after another."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.buffer = b""
        self.body_left = 0
        self.to_send = 0
        self.writable = True
        self.frames = -1
        """Bytes of an incomplete WebSocket frame; -1 before the upgrade."""
        self.traces = bytearray()
        self.is_traces = False
        self.pace: Pace | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """A frame, a piece of a body, or a head."""
        if self.frames >= 0:
            whole, self.frames = divmod(self.frames + len(data), CLIENT_FRAME)
            self.transport.write(SERVER_FRAME * whole)
        elif self.body_left:
            self._body(data)
        else:
            self.buffer += data
            head, found, rest = self.buffer.partition(b"\r\n\r\n")
            if found:
                self.buffer = b""
                self._request(head.lower(), head, rest)

    def _request(self, head: bytes, original: bytes, rest: bytes) -> None:
        if b"\r\nsec-websocket-key:" in head:
            self._upgrade(original)
        elif head.startswith(b"post"):
            length = re.search(rb"\r\ncontent-length: *(\d+)", head)
            self.body_left = int(length[1]) if length else 0
            self.is_traces = head.startswith(b"post /v1/traces")
            if not self.is_traces:
                self.pace = Pace(asyncio.get_running_loop().time() + PAUSE)
                self.transport.pause_reading()
                asyncio.get_running_loop().call_later(PAUSE, self.transport.resume_reading)
            self._body(rest)
        elif size := re.match(rb"get /stream\?bytes=(\d+)", head):
            self.to_send = int(size[1])
            self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % self.to_send)
            self._send_more()
        else:
            self._answer(b'{"spans":%d}' % spans)

    def _upgrade(self, head: bytes) -> None:
        key = re.search(rb"(?i)\r\nsec-websocket-key: *([^\r]+)", head)
        assert key is not None
        accept = base64.b64encode(hashlib.sha1(key[1].strip() + GUID, usedforsecurity=False).digest())
        lines = b"connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: " + accept
        self.transport.write(b"HTTP/1.1 101 Switching Protocols\r\n" + lines + b"\r\n\r\n")
        self.frames = 0

    def _body(self, data: bytes) -> None:
        self.body_left -= len(data)
        if self.is_traces:
            self.traces += data
        elif self.pace is not None and self.body_left:
            wait = self.pace.wait(len(data), asyncio.get_running_loop().time())
            if wait > 0 and self.transport.is_reading():
                self.transport.pause_reading()
                asyncio.get_running_loop().call_later(wait, self.transport.resume_reading)
        if self.body_left == 0:
            self._count_spans()
            self._answer(b"{}")

    def _count_spans(self) -> None:
        """Without decoding: OpenTelemetry's attribute http.request.method stands once in every HTTP span."""
        global spans
        spans += self.traces.count(b"http.request.method")
        self.traces.clear()

    def _answer(self, body: bytes) -> None:
        fields = b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        self.transport.write(b"HTTP/1.1 200 OK\r\n" + fields + body)

    def _send_more(self) -> None:
        while self.to_send and self.writable and not self.transport.is_closing():
            piece = CHUNK[: self.to_send]
            self.to_send -= len(piece)
            self.transport.write(piece)

    def pause_writing(self) -> None:
        """The proxy is slower than we."""
        self.writable = False

    def resume_writing(self) -> None:
        """It has caught up."""
        self.writable = True
        asyncio.get_running_loop().call_soon(self._send_more)


async def serve(port: int) -> None:
    """Until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
