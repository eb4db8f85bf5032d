"""RequestMirror: a copy of a request for another cluster, whose answer nobody sees (Gateway API: RequestMirror).

The problem: a new version should meet real requests before it answers one, and the real ones must not wait for it,
fail with it, or be held in memory for it. The rule: the copy begins when every filter has let the request pass, so
nothing is copied that was refused. A body streams to its endpoint as ever; the copy gathers the same pieces beside it,
up to `maxBodyBytes`, and goes out when they are complete. Copies are bounded in number, size and time; one that has no
place is counted and forgotten.

Credentials are withheld unless the configuration says otherwise. The copy says what it is: `X-Gatehouse-Mirror` names
the route, and no client can write that header. (Envoy appends `-shadow` to the host instead, which hits virtual hosts.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from gateway.filters.base import Build, Decision, Filter, Verdict
from gateway.http.client import ClientConnection
from gateway.http.hop import upstream_head
from gateway.http.messages import Request, Response
from gateway.observability.registry import method_label
from gateway.spec.filters import RequestMirror
from gateway.upstream.cluster import Unavailable
from gateway.upstream.endpoint import Endpoint

DRAWN, GATHERING, SENT, OVER = range(4)
"""Chosen, while filters may still refuse the request; waiting for the rest of its body; on its way; done."""
_AGAIN: Final = frozenset(("GET", "HEAD"))
"""What may go out once more when a kept connection closed under it (RFC 9112 section 9.3.1)."""


class RequestMirrorFilter(Filter[RequestMirror]):
    """Draws the requests of which there will be a copy."""

    Spec = RequestMirror

    def __init__(self, spec: RequestMirror, build: Build) -> None:
        super().__init__(spec, build)
        self.cluster = build.clusters[spec.cluster]
        self.metrics = build.metrics
        self.clock = build.clock
        self.withheld = frozenset(name.encode() for name in spec.withhold)
        self.copies = 0
        """Under way."""
        self._random = build.random

    def decide(self, request: Request) -> Decision:
        """Everything passes."""
        return None

    def commit(self, request: Request) -> None:
        """Choose; a handshake is never copied, since nobody would speak through the second tunnel."""
        if not request.upgrade and self._random.random() * 100 < self.spec.percent:
            request.copies += (Copy(self, request),)

    def on_end(self, request: Request) -> None:
        """The exchange is over: a body that is not complete by now never will be."""
        for one in request.copies:
            one.abandon()

    def kept_with(self, build: Build) -> bool:
        """Only while the cluster is the same."""
        return build.clusters.get(self.spec.cluster) is self.cluster

    def explain(self, request: Request, reply: Verdict) -> str:
        """What is copied where."""
        if request.upgrade:
            return "a handshake is not copied"
        share = "" if self.spec.percent == 100 else f" of {self.spec.percent:g} %"
        without = f", without {', '.join(self.spec.withhold)}" if self.spec.withhold else ", credentials included"
        return f"a copy{share} goes to {self.spec.cluster}{without}"


class Copy:
    """One copy: waits for a connection, sends, reads the answer to its end and keeps nothing of it."""

    def __init__(self, mirror: RequestMirrorFilter, request: Request) -> None:
        self._mirror = mirror
        self.request = request
        self._state = DRAWN
        self._body = bytearray()
        self._context = b""
        self._connection: ClientConnection | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._began = 0.0
        self._again = False
        self._status = 0

    # -- the exchange's side ---------------------------------------------------------------------------------

    def begin(self, context: bytes, early: Sequence[bytes], complete: bool) -> None:
        """The request may pass. `context` are field lines for the copy, `early` the body that has come so far."""
        if self._state != DRAWN:
            return  # another try of the same request
        mirror, request = self._mirror, self.request
        self._state, self._context = GATHERING, context
        mirror.copies += 1
        if mirror.copies > mirror.spec.max_requests:
            self._end("overflow")
        elif request.length > mirror.spec.max_body_bytes:
            self._end("too_large")
        for piece in early if request.body is None else (request.body,):
            self.data(piece)
        if complete:
            self.complete()

    def data(self, piece: bytes) -> None:
        """A piece of the body passes by."""
        if self._state == GATHERING:
            self._body += piece
            if len(self._body) > self._mirror.spec.max_body_bytes:
                self._end("too_large")

    def complete(self) -> None:
        """That was all of it: send."""
        if self._state != GATHERING:
            return
        self._state = SENT
        self.request = self._changed(self.request)
        self._timer = asyncio.get_running_loop().call_later(self._mirror.spec.timeout, self._out_of_time)
        self._began = self._mirror.clock()
        self._connect()

    def abandon(self) -> None:
        """The request ended before its body did."""
        if self._state == GATHERING:
            self._end("abandoned")

    def _changed(self, request: Request) -> Request:
        """The request as the copy goes out: with a body of known length, without what is withheld."""
        changed = request.copy()
        changed.copies = ()
        changed.onward = b""
        if request.length:
            changed.replace_body(bytes(self._body))
        if not self._mirror.withheld.isdisjoint(request.fields):
            kept = [field for field in request.headers if field[0] not in self._mirror.withheld]
            changed.replace_headers(kept)
        return changed

    # -- the cluster's side ----------------------------------------------------------------------------------

    def _connect(self, fresh: bool = False) -> None:
        try:
            taken = self._mirror.cluster.acquire(self, fresh)
        except Unavailable:
            self._end("failed")
            return
        if taken is not None:
            self.connected(*taken)

    def connected(self, connection: ClientConnection, endpoint: Endpoint) -> None:
        """Send all of it in one write."""
        if self._state == OVER:  # time was up while we connected
            endpoint.released(connection, reusable=True)
            return
        self._connection = connection
        request = self.request
        head = upstream_head(request, request.host or endpoint.address, self._context)
        connection.send(self, request, head + (request.body or b""), True)

    def connect_failed(self, reason: str, endpoint: Endpoint | None) -> None:
        """Nobody there."""
        self._end("failed")

    def answer_interim(self, interim: Response) -> None:
        """The answer is still to come."""

    def answer_head(self, response: Response, body: bytes, end: bool) -> None:
        """What came of it is all that is kept."""
        self._status = response.status
        self.answer_data(body, end)

    def answer_data(self, data: bytes, end: bool) -> None:
        """Read on; the connection is of use again only after the end."""
        if end:
            self._connection = None
            self._end(f"{self._status // 100}xx")

    def answer_upgraded(self, response: Response) -> None:
        """Never: no copy asks for it."""

    def answer_failed(self, reason: str, reused: bool) -> None:
        """No complete answer; a kept connection that closed unused gets a second chance."""
        self._connection = None
        if reused and not self._again and self.request.method in _AGAIN and self._state == SENT:
            self._again = True
            self._connect(fresh=True)
        else:
            self._end("failed")

    def upstream_slow(self) -> None:
        """Nothing more is written."""

    def upstream_ready(self) -> None:
        """Likewise."""

    # -- the end ---------------------------------------------------------------------------------------------

    def _out_of_time(self) -> None:
        self._mirror.cluster.forget(self)
        self._end("timeout")

    def _end(self, result: str) -> None:
        if self._state == OVER:
            return
        mirror, sent = self._mirror, self._state == SENT
        self._state = OVER
        self._body.clear()
        mirror.copies -= 1
        if self._timer is not None:
            self._timer.cancel()
        if self._connection is not None:
            self._connection.cancel()
            self._connection = None
        route = self.request.route.name if self.request.route else ""
        mirror.metrics.mirrored.add(route, mirror.spec.cluster, result)
        if sent:
            status, error = (str(self._status), "") if result.endswith("xx") else ("", result)
            labels = (method_label(self.request.method), mirror.spec.cluster, status, error)
            mirror.metrics.upstream.observe(labels, mirror.clock() - self._began)
