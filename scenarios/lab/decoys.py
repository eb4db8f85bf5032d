"""Servers that a scenario starts for itself: what an attack aims at, or what lures its victim. Loopback only."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOST = "127.0.0.1"


class Decoy(ThreadingHTTPServer):
    """Answers GET for a few paths, or redirects; counts who came."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, pages: Mapping[str, str], redirect_to: str, port: int) -> None:
        super().__init__((HOST, port), _Handler)
        self.pages, self.redirect_to, self.visits = pages, redirect_to, 0

    def url(self, path: str) -> str:
        """The address of a page."""
        return f"http://{HOST}:{self.server_address[1]}{path}"


class _Handler(BaseHTTPRequestHandler):
    server: Decoy

    def do_GET(self) -> None:
        self.server.visits += 1
        body = self.server.pages.get(self.path, "").encode()
        status = 302 if self.server.redirect_to else 200 if body else 404
        self.send_response(status)
        if self.server.redirect_to:
            self.send_header("Location", self.server.redirect_to)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: it would stand in the middle of the lab's own output."""


@contextmanager
def http_server(pages: Mapping[str, str], *, redirect_to: str = "", port: int = 0) -> Iterator[Decoy]:
    """A decoy that is there inside; `port` 0 takes any free one."""
    decoy = Decoy(pages, redirect_to, port)
    thread = threading.Thread(target=decoy.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield decoy
    finally:
        decoy.shutdown()
        decoy.server_close()
        thread.join()


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
