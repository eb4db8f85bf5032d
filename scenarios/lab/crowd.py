"""Many clients at one time, and a service that fails as it is told: what faults under load are shown with."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from gateway.cli.wire import Answer
from scenarios.lab.local import is_stranger
from scenarios.lab.target import Target

PROBLEM = {"type": "about:blank", "title": "It fails", "reason": "internal_error", "detail": "as the lab told it"}
"""As the contracts of the shop have it: what breaks its contract is another scenario."""


class Server(ThreadingHTTPServer):
    """Takes a crowd."""

    daemon_threads = True
    request_queue_size = 128


class Failing:
    """A service that answers everything with one status after a while, and counts."""

    def __init__(self, status: int, after: float) -> None:
        self.hits = 0
        counting, lock = self, threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if is_stranger(self.headers):
                    self.send_error(403)
                    return
                with lock:
                    counting.hits += 1
                time.sleep(after)
                body = json.dumps(PROBLEM | {"status": status}).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/problem+json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.address = f"127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def failing(lab: Target, cluster: str, status: int = 503, after: float = 0.02) -> Iterator[Failing]:
    """Such a service in the place of a cluster."""
    service = Failing(status, after)
    try:
        with lab.rerouted(cluster, service.address):
            yield service
    finally:
        service.close()


def together(lab: Target, clients: int, times: int, method: str, target: str) -> list[Answer]:
    """So many clients, each sends the request so many times; strangers, each from an address of its own."""

    def one(number: int) -> list[Answer]:
        source = f"127.0.1.{number % 250 + 1}"
        return [lab.call("nobody", method, target, source=source) for _ in range(times)]

    with ThreadPoolExecutor(clients) as pool:
        return [answer for answers in pool.map(one, range(clients)) for answer in answers]


def timed(lab: Target, who: str, target: str) -> tuple[Answer, float]:
    """A GET, and how long it took, in seconds."""
    began = time.monotonic()
    answer = lab.call(who, "GET", target)
    return answer, time.monotonic() - began
