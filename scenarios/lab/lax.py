"""Two servers that find the end of a request differently, as old ones did: what request smuggling needs.

Lab only, on loopback, while an attack runs. The hop counts Content-Length and does not know Transfer-Encoding; all its
clients share one connection to what is behind it. The server believes Transfer-Encoding and forgets the length. Each
is right by a rule of its own; together they are a hole (RFC 9112 section 11.2). GET and POST only, small bodies.
"""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedIOBase
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import ClassVar
from urllib.parse import urlsplit

HOST = "127.0.0.1"
TIMEOUT_S = 5.0


class _Server(ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    denied: tuple[str, ...] = ()

    def __init__(self, handler: type[_Handler], behind: str) -> None:
        super().__init__((HOST, 0), handler)
        self.behind, self.lock = behind, threading.Lock()
        self.shared: socket.socket | None = None

    def server_close(self) -> None:
        """With the shared connection."""
        super().server_close()
        if self.shared is not None:
            self.shared.close()


class _Handler(StreamRequestHandler):
    server: _Server
    timeout: ClassVar[float] = TIMEOUT_S

    def handle(self) -> None:
        with suppress(OSError, http.client.HTTPException, ValueError):
            while head := _head(self.rfile):
                self.answer(head)

    def answer(self, head: bytes) -> None:
        """One request."""
        raise NotImplementedError


class _Hop(_Handler):
    def answer(self, head: bytes) -> None:
        """Look at the path, count the body, send both on as they are, and give back what comes."""
        body = self.rfile.read(int(_field(head, b"content-length") or 0))
        if head.split(b" ")[1].decode().startswith(self.server.denied):
            self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            return
        with self.server.lock:
            if self.server.shared is None:
                self.server.shared = socket.create_connection(_address(self.server.behind), timeout=TIMEOUT_S)
            self.server.shared.sendall(head + body)
            answer = http.client.HTTPResponse(self.server.shared)
            answer.begin()
            content = answer.read()
            if answer.will_close:
                self.server.shared.close()
                self.server.shared = None
        self.wfile.write(_answer(answer.status, content))


class _Believing(_Handler):
    def answer(self, head: bytes) -> None:
        """Chunks where there are some, else a length; then ask the service."""
        if _field(head, b"transfer-encoding") == b"chunked":
            body = b"".join(iter(lambda: _chunk(self.rfile), b""))
        else:
            body = self.rfile.read(int(_field(head, b"content-length") or 0))
        method, path, _ = head.decode("latin-1").split(" ", 2)
        service = http.client.HTTPConnection(*_address(self.server.behind), timeout=TIMEOUT_S)
        try:
            service.request(method, path, body or None)
            answer = service.getresponse()
            self.wfile.write(_answer(answer.status, answer.read()))
        finally:
            service.close()


def _head(stream: BufferedIOBase) -> bytes:
    """Up to and with the empty line; empty at the end of the connection."""
    lines: list[bytes] = []
    while (line := stream.readline(8_192)).strip() or (line and not lines):
        lines.append(line)
    return b"".join([*lines, line]) if lines and line else b""


def _field(head: bytes, name: bytes) -> bytes:
    fields = (line.partition(b":") for line in head.splitlines()[1:])
    return next((value.strip().lower() for key, _, value in fields if key.lower() == name), b"")


def _chunk(stream: BufferedIOBase) -> bytes:
    data = stream.read(int(stream.readline(64), 16))
    stream.readline(64)
    return data


def _answer(status: int, content: bytes) -> bytes:
    return b"HTTP/1.1 %d Answer\r\nContent-Length: %d\r\n\r\n" % (status, len(content)) + content


def _address(url: str) -> tuple[str, int]:
    where = urlsplit(url)
    return where.hostname or HOST, where.port or 80


@contextmanager
def lax_hop(behind: str, denied: tuple[str, ...]) -> Iterator[str]:
    """A proxy before `behind` that keeps some paths to itself; its address."""
    with _running(_Server(_Hop, behind)) as server:
        server.denied = denied
        yield _url(server)


@contextmanager
def lax_server(behind: str) -> Iterator[str]:
    """A server that asks the service `behind`; its address."""
    with _running(_Server(_Believing, behind)) as server:
        yield _url(server)


def _url(server: _Server) -> str:
    return f"http://{HOST}:{server.server_address[1]}"


@contextmanager
def _running(server: _Server) -> Iterator[_Server]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
