"""How an exchange ends: an answer of our own, an answer that breaks off, time that is up; and what is told of it.

The problem: whatever happens, each request must be answered exactly once, or visibly broken, and counted. The rule:
`_finish` is the only way to DONE; what wants to end an exchange says how (`_reply`, `_break`, `_out_of_time`), and
what that means depends on whether the answer has begun.
"""

from __future__ import annotations

from gateway.filters.chain import Stopped
from gateway.filters.limit_terms import limit_lines
from gateway.http.hop import VIA
from gateway.http.messages import AS_STATED, Reply
from gateway.roles.facts import BACKING_OFF, CONNECTING, DONE, TUNNEL, WAITING, Facts
from gateway.roles.reasons import UNAVAILABLE
from gateway.roles.replies import RENDERERS, field_lines, reply_lines


class Ending(Facts):
    """The last part of an exchange, which every other can come to."""

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
        """Answer by ourselves, unless a filter has something better where the endpoint has failed."""
        if self.cluster is not None and self.route is not None and self.route.chain.rescuers:
            content = self.route.chain.rescue(self.request, reply)
            if content is not None:
                self._answer_content(content)
                return
        self.reply, self.status, self.reason = reply, reply.status, reply.reason
        self.worker.metrics.replies.add(self.route.name if self.route else "", reply.reason, str(reply.status))
        if reply.status == 204:  # RFC 9110 §15.3.5: no body, nor fields that speak of one
            bare = self.worker.date_line + field_lines(reply.headers) + self._answer_lines()
            self._begin_answer(bare, AS_STATED, b"", end=True)
            return
        if reply.body is not None:
            body = reply.body
            fields = self.worker.date_line + field_lines(reply.headers) + self._answer_lines()
        else:
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
            self._try_out_of_time()
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

    def _finish(self) -> None:
        """Count, log and trace, once."""
        if self.state == DONE:
            return
        if self.upstream is not None or self.state in (CONNECTING, WAITING, BACKING_OFF):
            self._stop_upstream(self.reason)
        self.state = DONE
        self.worker.exchanges.discard(self)
        if self.route is not None and self.route.chain.enders:
            self.route.chain.end(self.request)
        self.worker.finished(self)

    def _answer_content(self, stopped: Stopped) -> None:
        """Send what a filter answers by itself."""
        raise NotImplementedError("an exchange that ends also answers")

    def _stop_upstream(self, error: str) -> None:
        """Whoever works for this exchange may stop."""
        raise NotImplementedError("an exchange that ends also connects")

    def _try_out_of_time(self) -> None:
        """The time of one try is over."""
        raise NotImplementedError("an exchange that ends also tries again")

    def _end_tunnel(self) -> None:
        """Both sides get what was sent so far, then the end."""
        raise NotImplementedError("an exchange that ends also tunnels")
