"""Servers that a scenario starts for itself: what an attack aims at, or what lures its victim. Loopback only."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from scenarios.lab.local import check_local, is_stranger


class Decoy(ThreadingHTTPServer):
    """Answers GET for a few paths, or redirects; counts who came."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, pages: Mapping[str, str], where: tuple[str, int], redirect_to: str) -> None:
        super().__init__(where, _Handler)
        self.pages, self.redirect_to, self.visits = pages, redirect_to, 0

    def url(self, path: str) -> str:
        """The address of a page."""
        host, port = self.socket.getsockname()
        return f"http://{host}:{port}{path}"


class _Handler(BaseHTTPRequestHandler):
    server: Decoy

    def do_GET(self) -> None:
        if is_stranger(self.headers):
            self.send_error(403)
            return
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
def http_server(pages: Mapping[str, str], where: tuple[str, int], *, redirect_to: str = "") -> Iterator[Decoy]:
    """A decoy that is there inside, at an address and port of loopback."""
    check_local(where[0])
    decoy = Decoy(pages, where, redirect_to)
    thread = threading.Thread(target=decoy.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield decoy
    finally:
        decoy.shutdown()
        decoy.server_close()
        thread.join()
