"""A gateway in this process: the worker and listeners of a real one, on free ports, with everything they know to hand.

What it leaves out is what stands around a worker: supervisor, control process, further workers. Sockets, parser,
routes, filters and connections to services are the real ones.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from random import Random
from typing import Any, Final

import orjson

from gateway.roles.explain import explain
from gateway.roles.listener import Listener
from gateway.roles.worker import Worker
from gateway.spec.models import Spec
from gateway.testing.answer import Answer
from gateway.testing.client import Fields, content, send
from gateway.testing.clock import Clock
from gateway.testing.loop import PATIENCE, LoopThread

SWEEP_PERIOD: Final = 0.01
AT_ONCE: Final = 64
"""Requests of one test that may be under way."""


class Gateway:
    """One gateway; made by `gateway.testing.Gatehouse`."""

    def __init__(self, thread: LoopThread, spec: Spec, clock: Clock | None, read: Callable[..., Spec]) -> None:
        """`read` makes a spec of what `reload` is given."""
        self._thread = thread
        self._read = read
        self._records: dict[str, Mapping[str, Any]] = {}
        self._explanations: dict[str, Mapping[str, Any]] = {}
        self._clients: ThreadPoolExecutor | None = None
        self._listeners: dict[str, Listener] = {}
        self._tls: set[str] = set()
        self.ports: dict[str, int] = {}
        """By listener."""
        self.worker = Worker("testing", clock or time.monotonic, Random(7), None, wall=clock or time.time)  # noqa: S311
        self.worker.watched = True  # so that records and explanations are made
        thread.wait(self._start(spec))

    def __repr__(self) -> str:
        return f"<Gateway {self.url} {self.worker.snapshot!r}>"

    @property
    def url(self) -> str:
        """Of its first listener, like `http://127.0.0.1:40123`."""
        name, port = next(iter(self.ports.items()))
        return f"{'https' if name in self._tls else 'http'}://127.0.0.1:{port}"

    # -- requests --------------------------------------------------------------------------------------------

    def request(
        self,
        method: str,
        target: str,
        *,
        headers: Fields = (),
        data: bytes | str | None = None,
        json: Any = None,
        token: str | None = None,
        listener: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> Answer:
        """Send one request and wait for its answer.

        Args:
            target: path and query, sent as they are.
            token: goes into `Authorization: Bearer`.
            listener: which one; the first if none is named.
            tls: for a listener with TLS; None with one of these means that any certificate is taken.
        """
        body, described = content(data, json)
        pairs = [*described.items(), *(headers.items() if isinstance(headers, Mapping) else headers)]
        if token is not None:
            pairs.append(("Authorization", f"Bearer {token}"))
        name = listener or next(iter(self.ports))
        if tls is None and name in self._tls:
            tls = ssl._create_unverified_context()  # noqa: S323 - a test that cares brings its own
        return Answer(*send(self.ports[name], method, target, pairs, body, tls), self)

    def begin(self, method: str, target: str, **more: Any) -> Future[Answer]:
        """Send one request and go on; in a coroutine: `await asyncio.wrap_future(gateway.begin(…))`."""
        if self._clients is None:
            self._clients = ThreadPoolExecutor(AT_ONCE, "gatehouse-client")
        return self._clients.submit(self.request, method, target, **more)

    def get(self, target: str, **more: Any) -> Answer:
        """GET."""
        return self.request("GET", target, **more)

    def post(self, target: str, **more: Any) -> Answer:
        """POST."""
        return self.request("POST", target, **more)

    def put(self, target: str, **more: Any) -> Answer:
        """PUT."""
        return self.request("PUT", target, **more)

    def patch(self, target: str, **more: Any) -> Answer:
        """PATCH."""
        return self.request("PATCH", target, **more)

    def delete(self, target: str, **more: Any) -> Answer:
        """DELETE."""
        return self.request("DELETE", target, **more)

    def raw(self, data: bytes, listener: str | None = None) -> bytes:
        """Send these bytes, and read until the gateway closes the connection."""
        port = self.ports[listener or next(iter(self.ports))]
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
            connection.sendall(data)
            found = b""
            while piece := connection.recv(65_536):
                found += piece
            return found

    # -- what it knows ---------------------------------------------------------------------------------------

    def explain(
        self,
        method: str,
        target: str,
        *,
        headers: Fields = (),
        claims: Mapping[str, Any] | None = None,
        body: str | None = None,
        client: str = "127.0.0.1",
    ) -> dict[str, Any]:
        """What would happen to a request (`gatehouse explain --json`); nothing is sent, and nothing spent."""
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
        asked = {"method": method, "target": target, "headers": pairs, "claims": claims, "body": body, "client": client}
        return self._thread.wait(explain(self.worker.snapshot, asked))

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples with these labels; 0 when there are none."""
        families = self._thread.call(self.worker.metrics.families)
        samples = [sample for family in families for sample in family["samples"]]
        return float(
            sum(value for found, tags, value, _ in samples if found == name and labels.items() <= tags.items())
        )

    def reload(self, config: Any, **more: Any) -> None:
        """Put another configuration in force, as a running gateway does; arguments as for `Gatehouse.__call__`."""
        spec = self._read(config, **more)
        self._thread.wait(self._swap(spec))

    def record(self, request_id: str) -> Mapping[str, Any]:
        """The access-log record of a request, by its `x-request-id`; empty when there is none."""
        self._thread.call(self._collect)
        return self._records.get(request_id, {})

    def explanation(self, request_id: str) -> Mapping[str, Any]:
        """Why it was refused, by its `x-request-id`; empty when it was not."""
        self._thread.call(self._collect)
        return self._explanations.get(request_id, {})

    def _collect(self) -> None:
        worker = self.worker
        self._records |= {one["request_id"]: one for one in worker.recent}
        worker.recent = []
        for one in orjson.loads(orjson.dumps(worker.past.take() or {})).get("explanations", ()):
            self._explanations[one["request_id"]] = one

    # -- its life --------------------------------------------------------------------------------------------

    async def _start(self, spec: Spec) -> None:
        self.worker.apply(spec, {}, 1)
        for one in spec.listeners:
            sock = socket.create_server(("127.0.0.1", 0))
            self.ports[one.name] = sock.getsockname()[1]
            if one.tls is not None:
                self._tls.add(one.name)
            self._listeners[one.name] = Listener(one, self.worker)
            await self._listeners[one.name].start(sock)
        self._sweeper = asyncio.create_task(self._sweep())

    async def _swap(self, spec: Spec) -> None:
        for one in spec.listeners:
            self._listeners[one.name].check(one)
        for unused in self.worker.apply(spec, {}, self.worker.snapshot.version + 1):
            await unused.close()
        for one in spec.listeners:
            self._listeners[one.name].configure(one)

    async def _sweep(self) -> None:
        """What a worker does between requests."""
        while True:
            await asyncio.sleep(SWEEP_PERIOD)
            self._collect()
            self.worker.sweep()
            for listener in self._listeners.values():
                listener.sweep()
            for cluster in self.worker.snapshot.clusters.values():
                cluster.sweep(self.worker.clock())

    def close(self) -> None:
        """End it, and what is under way."""
        self._thread.wait(self._close())
        if self._clients is not None:
            self._clients.shutdown()

    async def _close(self) -> None:
        self._sweeper.cancel()
        for listener in self._listeners.values():
            listener.drain()
            listener.abort()
        snapshot = self.worker.snapshot
        for cluster in snapshot.clusters.values():
            cluster.retire()
        for provider in snapshot.providers.values():
            await provider.close()
        for store in snapshot.stores.values():
            await store.close()
        await asyncio.sleep(0)
