"""What comes back: the endpoint's answer on its way to the client.

The problem: most answers pass as they come, a few must be seen whole before the client gets any of them (does it keep
to its schema? how is it said in another style?), and some are changed as they pass (compression). The rule: filters
that look at heads come first, then those that want the whole body, one after the other, then those that see it
streaming by; what no filter looks at costs one comparison.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from gateway.filters.answers import SWALLOW, TOO_LARGE, Held, feed_all
from gateway.filters.chain import Chain, Stopped
from gateway.http.hop import VIA, downstream_fields
from gateway.http.messages import AS_STATED, CHUNKED, UNTIL_CLOSE, Bound, Response
from gateway.roles.facts import ANSWERING, HOLDING, SENDING, TUNNEL
from gateway.roles.planted import Planted
from gateway.roles.reasons import UNAVAILABLE

if TYPE_CHECKING:
    from gateway.upstream.endpoint import Endpoint
    from gateway.upstream.outliers import OutlierDetection

_TIME_OUTS: Final = frozenset(("upstream_timeout", "request_timeout"))
SLICE: Final = 65_536
"""Bytes of a whole answer that pass through streams in one go: compressing a megabyte at once holds up everybody."""


class Returning(Planted):
    """The part of an exchange that begins with the answer's head."""

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
        chain = self.route.chain
        if chain.responders or chain.reads_answers or (interim.status == 100 and self.request.expects_continue):
            return
        self._repeatable = False  # the client has seen something that belongs to this try (Envoy does the same)
        self.connection.send_interim(interim.status, downstream_fields(interim) + VIA)

    def answer_head(self, response: Response, body: bytes, end: bool) -> None:
        """Begin the answer to the client; a small one goes out whole, in one write."""
        if self.state != SENDING:
            return
        assert self.route is not None
        tries = self.route.tries
        if tries is not None and self._retries_answer(tries, response, end):
            return
        limits = self.request.body_limits
        if limits is not None and max(response.length, len(body)) > limits.response.bytes:
            self._answer_too_large(limits.response, end)
            return
        self.state = ANSWERING
        self.try_deadline = 0.0
        self.status = self.upstream_status = response.status
        if end:
            self._end_try()
        if self.route.session is not None:
            self._remember_endpoint()
        chain = self.route.chain
        if chain.responders or chain.reads_answers:
            self._take_back(chain, response, body, end)
        else:
            self._pass_on(response, body, end)

    def _bodiless(self, response: Response) -> bool:
        return self.request.method == "HEAD" or response.status in (204, 304)

    def _pass_on(self, response: Response, body: bytes, end: bool) -> None:
        """Send the answer's head, and what there is of its body."""
        bodiless = self._bodiless(response)
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
        self._remember_endpoint()
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
        if self.state not in (HOLDING, ANSWERING, TUNNEL):
            return
        self.last_progress = self.worker.clock()
        limits = self.request.body_limits
        came = self.bytes_sent if self._held is None else len(self._held.body)
        if limits is not None and self.state != TUNNEL and came + len(data) > limits.response.bytes:
            self._answer_too_large(limits.response, end)
            return
        if end:
            self._end_try()
        if self.state == HOLDING:
            self._hold(data, end)
            return
        self._pass_data(data, end)

    def _pass_data(self, data: bytes, end: bool) -> None:
        if self._streams:
            data = feed_all(self._streams, data, end)
        if data:
            self.bytes_sent += len(data)
            self.connection.send_data(data)
        if end:
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

    # -- filters that look at answers ------------------------------------------------------------------------

    def _take_back(self, chain: Chain, response: Response, body: bytes, end: bool) -> None:
        """Show an answer to the filters of a chain, last first, and send what becomes of it."""
        self._back = chain
        has_body = not self._bodiless(response)
        mediated = self.request.mediation is not None  # by POST, whatever the client's method: HEAD has a body here
        content = chain.respond(self.request, response)
        if content is not None:
            self._replace(content)
            return
        held = chain.holding(self.request, response) if has_body or mediated else None
        if held is None:
            self._stream(response, body, end, has_body)
        elif isinstance(held, Stopped):
            self._refuse_answer(held)
        else:
            self.state, self._held = HOLDING, held
            self._hold(body, end)

    def _replace(self, content: Stopped) -> None:
        """A filter has something better than the endpoint's answer, or has failed."""
        if content.reply.reason:
            self._refuse_answer(content)
            return
        if self.upstream is not None:  # which has not ended
            self._stop_upstream("")
        self._answer_content(content)

    def _answer_content(self, stopped: Stopped) -> None:
        """A filter answers by itself: through those in front of it, as if the content had come from an endpoint."""
        assert self.route is not None
        reply, body = stopped.reply, stopped.reply.body or b""
        self.state, self.status, self.reply = ANSWERING, reply.status, reply
        headers = reply.headers
        if self.request.method == "HEAD":
            headers, body = (*headers, (b"content-length", b"%d" % len(body))), b""
        response = Response(reply.status, headers, dict(headers), len(body), True)
        self._take_back(self.route.chain.before(stopped.filter), response, body, end=True)

    def _hold(self, data: bytes, end: bool) -> None:
        """Keep a piece of the answer; with the last one, let the filters say what becomes of it."""
        held = self._held
        assert held is not None
        held.body += data
        if max(len(held.body), held.response.length) > held.limit:
            self._refuse_answer(Stopped(TOO_LARGE, held.strictest))
        elif end:
            self._release(held)

    def _release(self, held: Held) -> None:
        assert self.route is not None
        self.state, self._held = ANSWERING, None
        outcome = self.route.chain.judge(self.request, held)
        if isinstance(outcome, Stopped):
            self._refuse_answer(outcome)
            return
        has_body = self.request.method != "HEAD"
        body = outcome if has_body else b""
        held.response.length = len(body)
        self._stream(held.response, body, end=True, has_body=has_body)

    def _refuse_answer(self, outcome: Stopped) -> None:
        """Nothing of the endpoint's answer reaches the client."""
        self.outcome = outcome
        self.decided_by = outcome.reply.policy or outcome.filter.where
        self._held = None
        self._stop_upstream(outcome.reply.reason)
        self._reply(outcome.reply)

    def _stream(self, response: Response, body: bytes, end: bool, has_body: bool) -> None:
        """Let the answer pass, through whatever filters put in its way."""
        content = self._back.respond_late(self.request, response)
        if content is not None:
            self._replace(content)
            return
        self.status = response.status
        streams = self._back.streams(self.request, response) if has_body else ()
        if isinstance(streams, Stopped):
            self._refuse_answer(streams)
            return
        if has_body and self._bodiless(response):
            streams += (SWALLOW,)
        if streams:
            self._streams = streams
            if end and len(body) > SLICE:
                self._rest = [body[start : start + SLICE] for start in range(0, len(body), SLICE)][::-1]
                body, end = self._rest.pop(), False
            body = feed_all(streams, body, end)
            if not all(one.keeps_length for one in streams):
                response.length = len(body) if end else CHUNKED
        self._pass_on(response, body, end)
        if self._rest:
            asyncio.get_running_loop().call_soon(self._feed_rest)

    def _feed_rest(self) -> None:
        """Let the next slice of a whole answer pass; other requests come between."""
        if self.state != ANSWERING or self._rest_waits or not self._rest:
            return
        self.last_progress = self.worker.clock()
        data = self._rest.pop()
        self._pass_data(data, end=not self._rest)
        if self._rest:
            asyncio.get_running_loop().call_soon(self._feed_rest)

    # -- the end of a try ------------------------------------------------------------------------------------

    def _end_try(self, error: str = "", judged: bool = True) -> None:
        """One try is over: the connection is no longer ours. Not `judged`: it says nothing about the endpoint."""
        self.upstream = None
        self.upstream_seconds = self.worker.clock() - self.try_started
        self.worker.try_ended(self, error)
        if self._retry is not None:
            self._retry_over(error or (str(self.upstream_status) if self.upstream_status >= 500 else ""))
        endpoint = self.endpoint
        if judged and endpoint is not None and endpoint.cluster.outliers is not None:
            self._tell_outcome(endpoint, endpoint.cluster.outliers, error)

    def _tell_outcome(self, endpoint: Endpoint, outliers: OutlierDetection, error: str) -> None:
        """Outlier detection hears of every try, unless time was over while the client still sent its body."""
        if self._request_complete or error not in _TIME_OUTS:
            outliers.result(endpoint, self.upstream_status, error)

    def _remember_endpoint(self) -> None:
        """Where sessions are sticky the client is told whom it comes back to."""
        assert self.route is not None
        if self.route.session is not None and self.cluster is not None and self.endpoint is not None:
            self.route.session.answered(self.request, self.cluster, self.endpoint)
