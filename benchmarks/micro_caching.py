"""What a cache and compression cost: whole requests without sockets (see benchmarks.micro)."""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import formatdate
from random import Random

from benchmarks.micro_steps import Taker
from gateway.compile.load import load_text
from gateway.http.client import ClientConnection
from gateway.http.server import ServerConnection
from gateway.roles.listener import Listener
from gateway.roles.worker import Worker

BODY = b'{"id": 1001, "state": "open", "items": [{"product": 7, "quantity": 2}]}' * 15
"""1 kB: what the compression's default takes for worth it."""
TEXT = "".join(f"line {number}: {Random(number).random()}\n" for number in range(2_200)).encode()[:65_536]
HEAD = b"GET /products/%b HTTP/1.1\r\nHost: 127.0.0.1:8088\r\n%b\r\n"
CACHE = "{type: Cache, cache: main}"
COMPRESSION = "{type: Compression, encodings: [%s], types: [text/plain, application/json]}"


def _answer(body: bytes) -> bytes:
    date = formatdate(usegmt=True).encode()
    fields = b"Date: %b\r\nContent-Type: application/json\r\nCache-Control: max-age=600\r\n" % date
    return b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (fields, len(body), body)


class Side:
    """A worker with one client's and one upstream's connection."""

    def __init__(self, filters: str) -> None:
        spec = load_text(
            "listeners: [{name: public, port: 8088}]\n"
            'clusters: [{name: b, endpoints: ["127.0.0.1:9"]}]\n'
            "caches: [{name: main}]\n"
            f"routes: [{{name: all, public: true, filters: [{filters}], backendRefs: [{{cluster: b}}]}}]\n",
            "micro.yaml",
            {},
        )
        worker = Worker("micro", time.monotonic, Random(1), None)
        worker.apply(spec, {}, 1)
        self.client, self.to_client = ServerConnection(Listener(spec.listeners[0], worker)), Taker()
        self.client.connection_made(self.to_client)
        endpoint = worker.snapshot.clusters["b"].endpoints[0]
        self._upstream = ClientConnection(endpoint)
        self._upstream.connection_made(Taker())
        endpoint.open += 1
        endpoint.idle.append(self._upstream)
        self._number = self.asked = 0

    def ask(self, answer: bytes, fields: bytes = b"", fresh: bool = False) -> None:
        """One request; the upstream answers if it is asked."""
        self._number += fresh
        self.client.data_received(HEAD % (b"%d" % self._number, fields))
        if self._upstream.caller is not None:
            self.asked += 1
            self._upstream.data_received(answer)


def caching_steps() -> dict[str, Callable[[], object]]:
    """Whole requests: without a cache, from one, and through one.

    Raises:
        RuntimeError: the cache does not answer from memory.
    """
    small, large = _answer(BODY), _answer(TEXT)
    plain, hits, misses = Side(""), Side(CACHE), Side(CACHE)
    hits.ask(small)
    hits.ask(small)
    if hits.asked != 1:
        raise RuntimeError("this is not what shall be measured")
    steps: dict[str, Callable[[], object]] = {
        "no cache: from the upstream, 1 kB": lambda: plain.ask(small),
        "a hit: from memory, 1 kB": lambda: hits.ask(small),
        "a miss: from the upstream, kept, 1 kB": lambda: misses.ask(small, fresh=True),
    }
    for name in ("gzip", "br"):
        side, field = Side(COMPRESSION % name), b"Accept-Encoding: %b\r\n" % name.encode()
        steps |= {
            f"{name}, level 4: 1 kB": lambda side=side, field=field: side.ask(small, field),  # type: ignore[misc]
            f"{name}, level 4: 64 KiB": lambda side=side, field=field: side.ask(large, field),  # type: ignore[misc]
        }
    return steps
