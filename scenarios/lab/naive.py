"""A naive proxy, in the place of a gateway: what one writes in an afternoon, with the mistakes of that afternoon.

Lab only. It exists since the gateway's core cannot be talked into these mistakes: to see what they cost, somebody else
must make them. It listens on loopback, while an attack runs, in the attacking process.
"""

from __future__ import annotations

import http.client
import posixpath
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

from scenarios.lab.local import is_stranger
from scenarios.lab.target import Target

HOST = "127.0.0.1"
TIMEOUT_S = 5.0


class _Proxy(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, backend: str, denied: Sequence[str]) -> None:
        super().__init__((HOST, 0), _Handler)
        self.backend, self.denied = backend, tuple(denied)


class _Handler(BaseHTTPRequestHandler):
    server: _Proxy

    def do_GET(self) -> None:
        """Mistake one: the text of the path is checked. Mistake two: then it is tidied up, and sent on."""
        if is_stranger(self.headers) or self.path.startswith(self.server.denied):
            self._answer(403, b"not for you\n")
            return
        tidy = posixpath.normpath(unquote(self.path.partition("?")[0]))
        connection = http.client.HTTPConnection(self.server.backend, timeout=TIMEOUT_S)
        try:
            connection.request("GET", tidy)
            answer = connection.getresponse()
            self._answer(answer.status, answer.read())
        finally:
            connection.close()

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: it would stand in the middle of the lab's own output."""


@contextmanager
def front(lab: Target, scenario: str, service: str, denied: Sequence[str]) -> Iterator[str]:
    """The address to attack: the gateway's, or while the scenario is weak that of a naive proxy before the service."""
    if not lab.is_weak(scenario):
        yield lab.client.base_url
        return
    proxy = _Proxy(urlsplit(lab.service_url(service)).netloc, denied)
    thread = threading.Thread(target=proxy.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{proxy.server_address[1]}"
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()
