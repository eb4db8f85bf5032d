"""One request and its answer: the state machine that everything else hangs on.

    state        what happens                      leads to
    DECIDING     the chain runs                    CONNECTING, or DONE by a local reply, or WAITING, COLLECTING
    WAITING      a filter waits; the client's      DECIDING's outcomes
                 reading is paused
    COLLECTING   a filter wants the whole body:    DECIDING's outcomes; DONE when it exceeds the filter's limit
                 it is read and kept
    CONNECTING   the cluster finds a connection    SENDING, or DONE by a local reply
    SENDING      the request goes out, its body    ANSWERING on the answer's head; CONNECTING once more when a
                 streams                           kept connection closed before it said anything; DONE
    ANSWERING    the answer streams back           DONE
    TUNNEL       WebSocket bytes pass both ways    DONE when either side closes
    DONE         counted, logged, traced

The problem: client, upstream and clock can each end an exchange at any moment, and each request must be answered
exactly once or visibly broken. The rule: every event is a method; a method that comes after DONE does nothing;
`_finish` is the only way to DONE, and it counts.

Nothing here is a task, except while a filter waits: a common request runs from its first to its last byte in two
calls from the event loop.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from gateway.filters.chain import BodyWanted, Outcome, Stopped, Waiting, body_too_large
from gateway.filters.limit_terms import limit_lines
from gateway.http.chunked import LAST_CHUNK, encode_chunk
from gateway.http.hop import VIA, downstream_fields, forwarded_fields, upstream_head
from gateway.http.messages import AS_STATED, CHUNKED, UNTIL_CLOSE, Bound, Reply, Request, Response
from gateway.http.upgrade import check_origin
from gateway.observability.tracing import Ids, RemoteContext
from gateway.roles.context import bound_baggage, inherit
from gateway.roles.reasons import NO_ROUTE, UNAVAILABLE
from gateway.roles.replies import RENDERERS, field_lines, reply_lines
from gateway.upstream.cluster import Cluster, Unavailable

if TYPE_CHECKING:
    from gateway.compile.snapshot import CompiledRoute
    from gateway.http.client import ClientConnection
    from gateway.http.server import ServerConnection
    from gateway.roles.worker import Worker
    from gateway.upstream.endpoint import Endpoint

DECIDING, WAITING, COLLECTING, CONNECTING, SENDING, ANSWERING, TUNNEL, DONE = range(8)

# RFC 9110 §9.2.2: may be sent twice without harm, so a kept connection that closes under them is no failure.
_IDEMPOTENT: Final = frozenset(("GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"))


class Exchange:
    """What one request goes through."""

    # What an exchange begins with stands on the class, so that making one assigns only what is its own (0.07 µs
    # less than thirty assignments; that it reads as a table is worth more).
    state: int = DECIDING
    sampled: bool = False
    route: CompiledRoute | None = None
    cluster: Cluster | None = None
    upstream: ClientConnection | None = None
    endpoint: Endpoint | None = None
    attempts: int = 0
    status: int = 0
    reason: str = ""
    """Why the gateway answered by itself, or what broke; empty when the upstream's answer went through."""
    decided_by: str = ""
    """`file:line` of the policy that decided, when one did."""
    outcome: Stopped | Waiting | None = None
    """The last filter that did not let pass at once; left alone by requests that no filter holds up."""
    reply: Reply | None = None
    """What the gateway answered by itself."""
    bytes_received: int = 0
    bytes_sent: int = 0
    deadline: float = 0.0
    try_deadline: float = 0.0
    try_started: float = 0.0
    try_span_id: str = ""
    parent: RemoteContext | None = None
    """The span of a trusted peer that this exchange goes on from."""
    tracestate: bytes = b""
    upstream_seconds: float = 0.0
    upstream_status: int = 0
    _begun_answer: bool = False
    _retried: bool = False
    _task: asyncio.Task[None] | None = None
    _early: tuple[bytes, ...] = ()
    """Body that came before there was a connection to send it on; reading is paused, so it stays small."""
    _wanted: BodyWanted
    _collected: bytearray
    """What the filter at `_wanted.position` wants to see, so far."""

    def __init__(self, worker: Worker, request: Request, connection: ServerConnection) -> None:
        self.worker = worker
        self.request = request
        self.connection = connection
        self.started = self.last_progress = worker.clock()
        self.ids = Ids(worker.random)
        self._request_complete = request.length == 0

    def __repr__(self) -> str:
        return f"<Exchange {self.request!r} state={self.state} attempts={self.attempts}>"

    @property
    def started_wall(self) -> float:
        """When it began, in seconds since the epoch."""
        return time.time() - (self.worker.clock() - self.started)

    # -- deciding --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Find the route and run its filters."""
        request, worker = self.request, self.worker
        self.connection.exchange = self
        worker.exchanges.add(self)
        found = worker.snapshot.match(request)
        if found is None:
            self._reply(NO_ROUTE)
            return
        route = self.route = request.route = found
        self.sampled = worker.sampled()
        if self.connection.server.trusted_hops:
            self._inherit()
        if b"baggage" in request.fields:
            bound_baggage(request)
        if route.request_timeout:
            self.deadline = self.started + route.request_timeout
        if request.upgrade:
            refused = check_origin(request, route.spec.web_socket.origins)
            if refused is not None:
                self._reply(refused)
                return
        outcome = route.chain.run(request)
        if outcome is None:
            self._connect()
        else:
            self._after(outcome)

    def _inherit(self) -> None:
        """Go on with the ids and the sampling decision of a proxy of ours."""
        inherited = inherit(self.request)
        self.ids.request_id = inherited.request_id or self.ids.request_id
        if inherited.parent is not None:
            self.parent, self.tracestate = inherited.parent, inherited.tracestate
            self.ids.trace_id = inherited.parent.trace_id
            self.sampled = inherited.parent.sampled and self.worker.exporter is not None

    def _after(self, outcome: Outcome) -> None:
        if outcome is None:
            self._connect()
        elif isinstance(outcome, Stopped):
            self.outcome = outcome
            self.decided_by = outcome.reply.policy or outcome.filter.where
            self._reply(outcome.reply)
        elif isinstance(outcome, BodyWanted):
            self._collect(outcome)
        else:
            self.outcome = outcome
            self.state = WAITING
            self.connection.pause_reading()
            self._task = asyncio.get_running_loop().create_task(self._wait(outcome))

    async def _wait(self, waiting: Waiting) -> None:
        assert self.route is not None
        outcome = await self.route.chain.resume(waiting, self.request)
        self._task = None
        if self.state == WAITING:
            self.connection.resume_reading()
            self._after(outcome)

    def _collect(self, wanted: BodyWanted) -> None:
        """Read the whole body, as far as the filter allows that wants to see it."""
        self.state = COLLECTING
        self._wanted = wanted
        self._collected = bytearray()
        early, self._early = self._early, ()
        if not self._request_complete:
            self.connection.send_continue()
            self.connection.resume_reading()
        self._keep(b"".join(early))
        if self._request_complete:
            self._decide_with_body()

    def _keep(self, data: bytes) -> None:
        self.last_progress = self.worker.clock()
        self._collected += data
        if len(self._collected) > self._wanted.limit:
            assert self.route is not None
            wanting = self.route.chain.steps[self._wanted.position][2]
            self._after(Stopped(body_too_large(self._wanted.limit), wanting))

    def _decide_with_body(self) -> None:
        """Run the chain on from the filter that wanted the body; what passes goes to the endpoint in one piece."""
        if self.state != COLLECTING:
            return
        assert self.route is not None
        self.state = DECIDING
        self.request.replace_body(bytes(self._collected))  # of a known length now, however the client framed it
        self._collected.clear()
        self._after(self.route.chain.run(self.request, self._wanted.position))

    # -- the upstream's connection ---------------------------------------------------------------------------

    def _connect(self, fresh: bool = False) -> None:
        assert self.route is not None
        self.state = CONNECTING
        cluster = self.cluster = self.route.only_cluster or self.route.pick_cluster(self.worker.random)
        try:
            taken = cluster.acquire(self, fresh)
        except Unavailable as error:
            self._reply(UNAVAILABLE[error.reason])
            return
        if taken is not None:
            self.connected(*taken)

    def connected(self, connection: ClientConnection, endpoint: Endpoint) -> None:
        """Send the request's head and what there is of its body, in one write."""
        if self.state != CONNECTING:  # the client left, or time was up, while we connected
            endpoint.released(connection, reusable=True)
            return
        assert self.route is not None
        self.state = SENDING
        self.upstream, self.endpoint = connection, endpoint
        self.attempts += 1
        self.try_started = self.last_progress = now = self.worker.clock()
        if self.sampled:
            self.try_span_id = f"{self.worker.random.getrandbits(64):016x}"
        if self.route.try_timeout:
            self.try_deadline = now + self.route.try_timeout
        request = self.request
        head = upstream_head(request, request.host or endpoint.address, self._context_lines())
        if self._early:
            head += b"".join(map(self._framed, self._early))
            self._early = ()
        elif request.body:  # read whole for a filter
            head += request.body
        if self._request_complete and request.length == CHUNKED:
            head += LAST_CHUNK
        connection.send(self, request, head, self._request_complete)
        if not self._request_complete:
            self.connection.send_continue()
            self.connection.resume_reading()

    def _context_lines(self) -> bytes:
        """Who asked, under which ids: set by us, whatever the client sent."""
        request, ids = self.request, self.ids
        span = f"{self.try_span_id}-01" if self.sampled else f"{ids.span_id}-00"
        own = f"x-request-id: {ids.request_id}\r\ntraceparent: 00-{ids.trace_id}-{span}\r\n"
        lines = forwarded_fields(request.client, request.host, request.scheme) + own.encode("ascii")
        return lines + b"tracestate: %b\r\n" % self.tracestate if self.tracestate else lines

    def _framed(self, data: bytes) -> bytes:
        return encode_chunk(data) if self.request.length == CHUNKED else data

    def connect_failed(self, reason: str, endpoint: Endpoint) -> None:
        """No connection: the client learns why."""
        if self.state == CONNECTING:
            self.endpoint = endpoint
            self.attempts += 1
            self._reply(UNAVAILABLE[reason])

    # -- the client's events ---------------------------------------------------------------------------------

    def request_data(self, data: bytes) -> None:
        """Pass a piece of the body on, or keep it until there is a connection."""
        self.bytes_received += len(data)
        limits = self.request.body_limits
        if limits is not None and self.state < TUNNEL and self.bytes_received > limits.request.bytes:
            self._body_too_large(limits.request)
        elif self.state in (SENDING, ANSWERING, TUNNEL) and self.upstream is not None:
            self.last_progress = self.worker.clock()
            self.upstream.send_data(self._framed(data))
        elif self.state == COLLECTING:
            self._keep(data)
        elif self.state < SENDING:
            self._early += (data,)
            self.connection.pause_reading()

    def _body_too_large(self, bound: Bound) -> None:
        self.decided_by = bound.where
        self.request_refused(Reply(413, "body_too_large", f"at most {bound.bytes} bytes on this route"))

    def request_end(self) -> None:
        """The body is complete."""
        self._request_complete = True
        if self.state == COLLECTING:
            self._decide_with_body()
        elif self.upstream is not None:
            if self.request.length == CHUNKED:
                self.upstream.send_data(LAST_CHUNK)
            self.upstream.send_end()

    def request_refused(self, reply: Reply) -> None:
        """The request's body broke the protocol."""
        if self._begun_answer:
            self._break(reply.reason)
        elif self.state != DONE:
            self._stop_upstream("client_protocol_error")
            self._reply(reply)

    def client_gone(self) -> None:
        """Nobody waits for the answer: stop the upstream's work too."""
        if self.state == DONE:
            return
        if self.state == TUNNEL:
            self._end_tunnel()
            return
        self.worker.metrics.client_gone.add()
        self.status, self.reason = 499, "client_gone"  # 499: nginx's code for this, never sent
        self._finish()

    def client_slow(self) -> None:
        """Stop reading from upstream until the client has caught up."""
        if self.upstream is not None:
            self.upstream.pause()

    def client_ready(self) -> None:
        """Go on reading from upstream."""
        if self.upstream is not None:
            self.upstream.resume()

    # -- the upstream's events -------------------------------------------------------------------------------

    def upstream_slow(self) -> None:
        """Stop reading from the client until the endpoint has caught up."""
        self.connection.pause_reading()

    def upstream_ready(self) -> None:
        """Go on reading from the client."""
        self.connection.resume_reading()

    def answer_interim(self, interim: Response) -> None:
        """Pass an informational answer on (RFC 9110 section 15.2), unless it is our business or nobody checked it.

        100 answers an expectation, and the client's ends here (section 10.1.1): we never forward `Expect`, and have
        sent our own 100 or seen that the body comes without it. Filters that may change answers see only the final
        one; on their routes an informational answer could say what they take out, so it stays here.
        """
        if self.state != SENDING:
            return
        assert self.route is not None
        self.last_progress = self.worker.clock()
        if self.route.chain.responders or (interim.status == 100 and self.request.expects_continue):
            return
        self.connection.send_interim(interim.status, downstream_fields(interim) + VIA)

    def answer_head(self, response: Response, body: bytes, end: bool) -> None:
        """Begin the answer to the client; a small one goes out whole, in one write."""
        if self.state != SENDING:
            return
        assert self.route is not None
        limits = self.request.body_limits
        if limits is not None and max(response.length, len(body)) > limits.response.bytes:
            self._answer_too_large(limits.response, end)
            return
        self.state = ANSWERING
        self.try_deadline = 0.0
        self.status = self.upstream_status = response.status
        if end:
            self._end_try()
        if self.route.chain.responders:
            self.route.chain.respond(self.request, response)
        bodiless = self.request.method == "HEAD" or response.status in (204, 304)
        length = AS_STATED if bodiless else CHUNKED if response.length == UNTIL_CLOSE else response.length
        # RFC 9110 §8.6: a 204 has no Content-Length; that of HEAD and 304 speaks of what GET would answer.
        fields = downstream_fields(response, keep_length=bodiless and response.status != 204)
        if b"date" not in response.fields:  # RFC 9110 §6.6.1: then who passes it on says when
            fields += self.worker.date_line
        self._begin_answer(fields + self._answer_lines(), length, body, end)

    def answer_upgraded(self, response: Response) -> None:
        """The endpoint speaks WebSocket now: no more time limit for the whole, only for silence."""
        if self.state != SENDING:
            return
        self.state = TUNNEL
        self.deadline = self.try_deadline = 0.0
        self.status = self.upstream_status = 101
        self._begun_answer = True
        self.connection.send_upgraded(downstream_fields(response) + self._answer_lines())

    def _end_tunnel(self) -> None:
        """Either side closed: the other gets what was sent so far, then the end."""
        upstream = self.upstream
        if upstream is not None:
            self._end_try()
            upstream.close()
        self._finish()
        self.connection.send_end()

    def answer_data(self, data: bytes, end: bool) -> None:
        """Pass a piece of the answer on."""
        if self.state == TUNNEL and end:
            self._end_tunnel()
            return
        if self.state not in (ANSWERING, TUNNEL):
            return
        self.last_progress = self.worker.clock()
        limits = self.request.body_limits
        if limits is not None and self.state != TUNNEL and self.bytes_sent + len(data) > limits.response.bytes:
            self._answer_too_large(limits.response, end)
            return
        if data:
            self.bytes_sent += len(data)
            self.connection.send_data(data)
        if end:
            self._end_try()
            self._end_answer()

    def _answer_too_large(self, bound: Bound, end: bool) -> None:
        """Before its head is out the client gets 502; after that, an answer that visibly breaks off."""
        self.decided_by = bound.where
        if end:  # the connection is back in its pool already
            self._end_try()
        if self._begun_answer:
            self._break("answer_too_large")
        else:
            self._stop_upstream("answer_too_large")
            self._reply(UNAVAILABLE["answer_too_large"])

    def answer_failed(self, reason: str, reused: bool) -> None:
        """The upstream gave no complete answer: try once more, tell the client, or break its answer visibly."""
        if self.upstream is None:
            return
        self._end_try(reason)
        if self.state in (ANSWERING, TUNNEL):
            self._break(reason)
        elif self.state == SENDING:
            if reused and not self._retried and self._may_repeat():
                self._retried = True
                self.worker.metrics.stale_retries.add()
                self._connect(fresh=True)
            else:
                self._reply(UNAVAILABLE[reason])

    def _may_repeat(self) -> bool:
        """RFC 9112 section 9.3.1: a kept connection may close at any time; idempotent and bodiless is safe."""
        return self.request.method in _IDEMPOTENT and self.request.length == 0

    def _end_try(self, error: str = "") -> None:
        """One try is over: the connection is no longer ours."""
        self.upstream = None
        self.upstream_seconds = self.worker.clock() - self.try_started
        self.worker.try_ended(self, error)

    # -- the answer ------------------------------------------------------------------------------------------

    def _answer_lines(self) -> bytes:
        """What every answer gets: ids to ask with, and what filters had to say (limits)."""
        ids = self.ids
        flag = "01" if self.sampled else "00"
        own = f"x-request-id: {ids.request_id}\r\ntraceresponse: 00-{ids.trace_id}-{ids.span_id}-{flag}\r\n"
        lines = own.encode("ascii") + VIA
        request = self.request
        if request.limits:
            lines += limit_lines(request.limits)
        return lines + field_lines(request.reply_headers) if request.reply_headers else lines

    def _begin_answer(self, fields: bytes, length: int, body: bytes, end: bool) -> None:
        self._begun_answer = True
        self.bytes_sent = len(body)
        self.connection.send_head(self.status, fields, length, body)
        if end:
            self._end_answer()

    def _end_answer(self) -> None:
        self._finish()
        self.connection.send_end()

    def _reply(self, reply: Reply) -> None:
        """Answer by ourselves."""
        self.reply, self.status, self.reason = reply, reply.status, reply.reason
        self.worker.metrics.replies.add(self.route.name if self.route else "", reply.reason, str(reply.status))
        if reply.status == 204:  # RFC 9110 §15.3.5: no body, nor fields that speak of one
            bare = self.worker.date_line + field_lines(reply.headers) + self._answer_lines()
            self._begin_answer(bare, AS_STATED, b"", end=True)
            return
        style = self.route.errors if self.route else "problem"
        content_type, body = RENDERERS[style](reply, self.decided_by, self.ids.trace_id)
        fields = reply_lines(reply, content_type, self.worker.date_line) + self._answer_lines()
        self._begin_answer(fields, len(body), b"" if self.request.method == "HEAD" else body, end=True)

    def _break(self, reason: str) -> None:
        self.reason = reason
        self.worker.metrics.broken.add(reason)
        self._finish()
        self.connection.send_broken()

    def sweep(self, now: float) -> None:
        """End what has run out of time."""
        route = self.route
        if self.deadline and now >= self.deadline:
            self._out_of_time("request_timeout")
        elif self.try_deadline and now >= self.try_deadline:
            self._out_of_time("upstream_timeout")
        elif route is not None and route.idle_timeout and now - self.last_progress > route.idle_timeout:
            self._idle_for_too_long()
        elif not self._request_complete and self.state < DONE and self.connection.body_too_slow(now):
            self._out_of_time("body_too_slow")

    def _idle_for_too_long(self) -> None:
        if self.state == TUNNEL:
            self._out_of_time("tunnel_idle")
        else:
            self._out_of_time("upstream_timeout" if self._request_complete else "body_timeout")

    def cut_off(self) -> None:
        """The process must go: answer, end the tunnel, or break the answer that has begun."""
        self._out_of_time("drain_timeout")

    def _out_of_time(self, reason: str) -> None:
        if self.state == TUNNEL:  # what was sent through it still arrives: a reset could destroy a last frame
            self.reason = reason
            self._end_tunnel()
        elif self._begun_answer:
            self._break(reason)
        else:
            self._stop_upstream(reason)
            self._reply(UNAVAILABLE[reason])

    def _stop_upstream(self, error: str) -> None:
        if self.cluster is not None and self.state == CONNECTING:
            self.cluster.forget(self)
        if self.upstream is not None:
            self.upstream.cancel()
            self._end_try(error)
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _finish(self) -> None:
        """Count, log and trace, once."""
        if self.state == DONE:
            return
        if self.upstream is not None or self.state in (CONNECTING, WAITING):
            self._stop_upstream(self.reason)
        self.state = DONE
        self.worker.exchanges.discard(self)
        if self.route is not None and self.route.chain.enders:
            self.route.chain.end(self.request)
        self.worker.finished(self)
