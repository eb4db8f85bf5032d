"""A worker without sockets, and the steps of one request as calls that can be repeated (see benchmarks.micro)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import orjson

from benchmarks.gatehouse import configuration
from benchmarks.model import Setup
from benchmarks.work import ANSWER, Work, spoil
from gateway.compile.load import load_text
from gateway.filters.provider import read_keys
from gateway.http.client import ClientConnection
from gateway.http.heads import read_request, read_response
from gateway.http.hop import downstream_fields, upstream_head
from gateway.http.messages import Request
from gateway.http.server import ServerConnection
from gateway.observability.export import encode
from gateway.roles.exchange import Exchange
from gateway.roles.listener import Listener
from gateway.roles.records import access_record, server_span
from gateway.roles.worker import Worker

ANSWER_BYTES = (
    "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Fri, 20 Nov 2026 12:00:00 GMT\r\n"
    f"Content-Type: application/json\r\nContent-Length: {len(ANSWER)}\r\nConnection: keep-alive\r\n\r\n{ANSWER}"
).encode()


class Taker(asyncio.Transport):
    """A transport that takes everything and keeps the last write."""

    last = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take it."""
        self.last = bytes(data) if type(data) is not bytes else data

    def get_extra_info(self, name: str, default: object = None) -> object:
        """Only an address."""
        return ("127.0.0.1", 50_000) if name == "peername" else default

    def get_write_buffer_size(self) -> int:
        """Nothing ever waits."""
        return 0

    def is_closing(self) -> bool:
        """Never."""
        return False

    def can_write_eof(self) -> bool:
        """No."""
        return False

    def pause_reading(self) -> None:
        """Nothing is read."""

    def resume_reading(self) -> None:
        """Nothing is read."""


@dataclass
class Bench:
    """One worker with a client's and an upstream's connection, both ours to speak for."""

    worker: Worker
    client: ServerConnection
    upstream: ClientConnection
    to_client: Taker
    head: bytes
    bad_head: bytes
    """The same with a bad signature."""

    def once(self) -> None:
        """One request and its answer."""
        self.client.data_received(self.head)
        self.upstream.data_received(ANSWER_BYTES)

    def finished_exchange(self) -> Exchange:
        """One exchange that has gone all the way."""
        self.client.data_received(self.head)
        exchange = self.client.exchange
        self.upstream.data_received(ANSWER_BYTES)
        assert isinstance(exchange, Exchange)
        return exchange


async def build(work: Work, setup: Setup) -> Bench:
    """A worker as it is after its start, with keys as if they had been fetched.

    Raises:
        RuntimeError: it does not answer as it should.
    """
    spec = load_text(configuration(work, setup, 8088), "micro.yaml", {})
    worker = Worker("micro", time.monotonic, Random(1), None)
    worker.apply(spec, {}, 1)
    for provider in worker.snapshot.providers.values():
        await provider.close()
        provider.keys, provider.generation = read_keys(work.jwks.encode(), ("RS256",)), 1
    client, to_client = ServerConnection(Listener(spec.listeners[0], worker)), Taker()
    client.connection_made(to_client)
    endpoint = worker.snapshot.clusters["b"].endpoints[0]
    upstream = ClientConnection(endpoint)
    upstream.connection_made(Taker())
    endpoint.open += 1
    endpoint.idle.append(upstream)
    head = f"GET /orders/1 HTTP/1.1\r\nHost: 127.0.0.1:8088\r\nAuthorization: Bearer {work.token}\r\n\r\n".encode()
    bad_head = head.replace(work.token.encode(), spoil(work.token).encode())
    bench = Bench(worker, client, upstream, to_client, head, bad_head)
    bench.once()
    if not to_client.last.startswith(b"HTTP/1.1 200 OK"):
        raise RuntimeError(f"this is not what shall be measured: {to_client.last!r}")
    return bench


def request_steps(bench: Bench) -> dict[str, Callable[[], object]]:
    """What every request goes through."""
    worker, exchange = bench.worker, bench.finished_exchange()
    request, route = exchange.request, exchange.route
    response = read_response(ANSWER_BYTES, "GET")
    assert route is not None
    assert response is not None
    steps: dict[str, Callable[[], object]] = {
        "parse the request's head": lambda: read_request(bench.head),
        "match the route": lambda: worker.snapshot.match(request),
    }
    for one in route.chain.filters:
        steps[f"filter {one.name}: decide"] = _afresh(request, one.decide)
        if any(commit is not None and own is one for _, commit, own in route.chain.steps):
            steps[f"filter {one.name}: commit"] = _afresh(request, one.commit)
    return steps | {
        "make the exchange, draw ids": lambda: Exchange(worker, request, bench.client),
        "pool: take a connection and give it back": _taking(exchange),
        "render the head to the upstream": lambda: upstream_head(request, request.host, exchange._context_lines()),
        "parse the answer's head": lambda: read_response(ANSWER_BYTES, "GET"),
        "render the head to the client": lambda: downstream_fields(response[0]),
        "metrics of the try": lambda: worker.try_ended(exchange, ""),
        "metrics of the request": lambda: worker.finished(exchange),
    }


def _taking(exchange: Exchange) -> Callable[[], None]:
    cluster = exchange.cluster
    assert cluster is not None

    def run() -> None:
        taken = cluster.acquire(exchange)
        assert taken is not None
        connection, endpoint = taken
        endpoint.released(connection, reusable=True)

    return run


def _afresh(request: Request, step: Callable[[Request], object]) -> Callable[[], None]:
    """A filter's step on a request that looks as it did before, except for the claims that later filters need."""
    claims = request.claims

    def run() -> None:
        request.reply_headers, request.limits = [], ()
        request.claims = None if "JwtFilter" in step.__qualname__ else claims
        step(request)

    return run


def optional_steps(bench: Bench) -> dict[str, Callable[[], object]]:
    """What only some requests pay: log lines and spans, when they are switched on."""
    exchange = bench.finished_exchange()
    span = server_span(exchange, 0.001)
    return {
        "a whole request with a bad signature": lambda: bench.client.data_received(bench.bad_head),
        "access-log record as JSON": lambda: orjson.dumps(access_record(exchange, 0.001)),
        "server span: record": lambda: server_span(exchange, 0.001),
        "server span: encode (1/100 of a batch of 100)": lambda: encode([span] * 100, "gateway", "micro"),
    }
