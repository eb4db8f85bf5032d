"""One request and its answer: the state machine that everything else hangs on.

    state        what happens                      leads to
    DECIDING     the chain runs                    CONNECTING, or DONE by a local reply, or WAITING, COLLECTING
    WAITING      a filter waits; the client's      DECIDING's outcomes
                 reading is paused
    COLLECTING   a filter wants the whole body:    DECIDING's outcomes; DONE when it exceeds the filter's limit
                 it is read and kept
    CONNECTING   the cluster finds a connection    SENDING, BACKING_OFF, or DONE by a local reply
    BACKING_OFF  a try has failed and another      CONNECTING; DONE when the client leaves or time is up
                 follows, or a planted delay
                 holds one back: a timer runs
    SENDING      the request goes out, its body    ANSWERING, or HOLDING, on the answer's head; CONNECTING once more
                 streams                           when a kept connection closed before it said anything;
                                                   BACKING_OFF when the try failed and is repeated; DONE
    HOLDING      a filter wants the whole answer:  ANSWERING; DONE when it exceeds the filter's limit
                 it is read and kept
    ANSWERING    the answer streams back           DONE
    TUNNEL       WebSocket bytes pass both ways    DONE when either side closes
    DONE         counted, logged, traced

The problem: client, upstream and clock can each end an exchange at any moment, and each request must be answered
exactly once or visibly broken. The rule: every event is a method; a method that comes after DONE does nothing;
`_finish` is the only way to DONE, and it counts.

It is written in seven parts: what is known (`facts`), how it decides (`deciding`), what happens between two tries
(`retrying`), which tries fail on purpose (`planted`), what comes back (`returning`), how it ends (`ending`), and here
what passes between client and endpoint.

Nothing here is a task, except while a filter waits: a common request runs from its first to its last byte in two
calls from the event loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.filters.answers import ask_plain
from gateway.http.chunked import LAST_CHUNK, encode_chunk
from gateway.http.hop import forwarded_fields, time_left_line, upstream_head
from gateway.http.messages import CHUNKED, Bound, Reply
from gateway.roles.facts import ANSWERING, BACKING_OFF, COLLECTING, CONNECTING, DONE, HOLDING, SENDING, TUNNEL
from gateway.roles.mirroring import begin_copies
from gateway.roles.reasons import UNAVAILABLE
from gateway.roles.returning import Returning
from gateway.spec.tries import IDEMPOTENT
from gateway.upstream.cluster import Unavailable

if TYPE_CHECKING:
    from gateway.http.client import ClientConnection
    from gateway.upstream.endpoint import Endpoint

# RFC 9110 §9.2.2: may be sent twice without harm, so a kept connection that closes under them is no failure.
_IDEMPOTENT: Final = frozenset(IDEMPOTENT)


class Exchange(Returning):
    """What one request goes through."""

    # -- the endpoint's connection ---------------------------------------------------------------------------

    def _connect(self) -> None:
        assert self.route is not None
        self.state = CONNECTING
        route = self.route
        cluster = (  # one that is asked again stays on its side
            route.only_cluster or self.cluster or route.pick_cluster(self.request, self.worker.random)
        )
        wanted: Endpoint | None = None
        if route.session is not None:
            cluster, wanted = route.placed(self.request) or (cluster, None)
        self.cluster = cluster
        if self.request.copies:
            begin_copies(self, self._early, self._request_complete)
        try:
            taken = cluster.acquire(self, wanted=wanted)
        except Unavailable as error:
            self._reply(UNAVAILABLE[error.reason])
            return
        if taken is not None:
            self.connected(*taken)

    def _connect_again(self, fresh: bool = False) -> None:
        """For another try: the same cluster, and an endpoint not tried yet, or at least not the one tried last."""
        assert self.cluster is not None
        self.state = CONNECTING
        avoid = self._tried if len(self._tried) < len(self.cluster.endpoints) else self._tried[-1:]
        try:
            taken = self.cluster.acquire(self, fresh, avoid, self._session_endpoint())
        except Unavailable as error:
            self._reply(self._told(error.reason))
            return
        if taken is not None:
            self.connected(*taken)

    def _session_endpoint(self) -> Endpoint | None:
        """The endpoint of the client's session, if it has one in this cluster."""
        assert self.route is not None
        place = self.route.placed(self.request) if self.route.session is not None else None
        return place[1] if place is not None and place[0] is self.cluster else None

    def connected(self, connection: ClientConnection, endpoint: Endpoint) -> None:
        """Send the request's head and what there is of its body, in one write."""
        if self.state != CONNECTING:  # the client left, or time was up, while we connected
            endpoint.released(connection, reusable=True)
            return
        assert self.route is not None
        self.upstream, self.endpoint = connection, endpoint
        if self.fault is None:  # else this try began with its planted delay
            self.attempts += 1
            self.try_started = self.last_progress = now = self.worker.clock()
            if self.sampled:
                self.try_span_id = f"{self.worker.random.getrandbits(64):016x}"
            if self.route.try_timeout:
                self.try_deadline = now + self.route.try_timeout
        self.state = SENDING
        tries = self.route.tries
        if tries is not None and self._does_not_go_out(tries):
            return
        request = self.request
        if self.route.chain.asks_plain:
            ask_plain(request)
        head = upstream_head(request, request.host or endpoint.authority, self._context_lines())
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
        span = f"{self.try_span_id}-01" if self.sampled else f"{ids.span_id}-{self.flags}"
        own = f"x-request-id: {ids.request_id}\r\ntraceparent: 00-{ids.trace_id}-{span}\r\n"
        lines = forwarded_fields(request.client, request.host, request.scheme) + own.encode("ascii")
        assert self.route is not None
        if self.route.propagate:
            lines += self._time_left()
        return lines + b"tracestate: %b\r\n" % self.tracestate if self.tracestate else lines

    def _time_left(self) -> bytes:
        """How long the service has: until this try or the whole exchange is over."""
        ends, of_try = self.deadline, self.try_deadline
        if of_try and (of_try < ends or not ends):
            ends = of_try
        return time_left_line(int((ends - self.worker.clock()) * 1000)) if ends else b""

    def _framed(self, data: bytes) -> bytes:
        return encode_chunk(data) if self.request.length == CHUNKED else data

    def connect_failed(self, reason: str, endpoint: Endpoint | None) -> None:
        """No connection: another try, or the client learns why."""
        if self.state == CONNECTING:
            self.endpoint = endpoint
            self.attempts += endpoint is not None
            self._failed(reason)

    # -- the client's events ---------------------------------------------------------------------------------

    def request_data(self, data: bytes) -> None:
        """Pass a piece of the body on, or keep it until there is a connection."""
        self.bytes_received += len(data)
        for copy in self.request.copies:
            copy.data(data)
        limits = self.request.body_limits
        if limits is not None and self.state < TUNNEL and self.bytes_received > limits.request.bytes:
            self._body_too_large(limits.request)
        elif self.state in (SENDING, HOLDING, ANSWERING, TUNNEL) and self.upstream is not None:
            self.last_progress = self.worker.clock()
            if self._kept is not None:
                self._keep_piece(data)
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
        for copy in self.request.copies:
            copy.complete()
        if self.state == COLLECTING:
            self._decide_with_body()
        elif self.upstream is not None and self.state != BACKING_OFF:
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
        self._rest_waits = bool(self._rest)

    def client_ready(self) -> None:
        """Go on reading from upstream."""
        if self.upstream is not None:
            self.upstream.resume()
        if self._rest_waits:
            self._rest_waits = False
            self._feed_rest()

    # -- the upstream's events -------------------------------------------------------------------------------

    def upstream_slow(self) -> None:
        """Stop reading from the client until the endpoint has caught up."""
        self.connection.pause_reading()

    def upstream_ready(self) -> None:
        """Go on reading from the client."""
        self.connection.resume_reading()

    def answer_failed(self, reason: str, reused: bool) -> None:
        """The upstream gave no complete answer: try once more, tell the client, or break its answer visibly."""
        if self.upstream is None:
            return
        self._end_try(reason, judged=not reused)
        if self.state in (ANSWERING, TUNNEL):
            self._break(reason)
        elif self.state in (SENDING, HOLDING):
            if reused and not self._retried and self._may_repeat():
                self._retried = True
                self.fault = None
                self.worker.metrics.stale_retries.add()
                self._connect_again(fresh=True)
            elif self.state == SENDING:
                self._failed(reason)
            else:  # filters have seen the answer's head
                self._reply(UNAVAILABLE[reason])

    def _may_repeat(self) -> bool:
        """RFC 9112 section 9.3.1: a kept connection may close at any time; idempotent and bodiless is safe.

        What a mediated request is sent with is kept, and the client's method says whether it may be sent twice.
        """
        request = self.request
        return request.method in _IDEMPOTENT and (request.length == 0 or request.mediation is not None)

    # -- the end of a try ------------------------------------------------------------------------------------

    def _stop_upstream(self, error: str) -> None:
        if self.cluster is not None and self.state == CONNECTING:
            self.cluster.forget(self)
        if self.upstream is not None:
            self.upstream.cancel()
            self._end_try(error)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._retry is not None:  # it had not begun
            self._retry_over(error)
        if self._task is not None:
            self._task.cancel()
            self._task = None
