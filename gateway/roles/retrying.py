"""Between two tries of an exchange: whether another follows, when, and what of the request it will need.

The problem: a try may fail while the request's body is still coming, its answer may have to be thrown away half read,
and while the exchange waits for its next turn the client may leave. The rule: what was sent is kept up to a bound and
goes back to where early bytes of the body wait; the wait is one timer of the event loop, which `_stop_upstream` ends;
and once anything of an answer has gone to the client, nothing is tried again.

What may be repeated is decided in `gateway.upstream.retry`; here it is done.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gateway.http.draining import drain
from gateway.http.messages import Reply, Response
from gateway.roles.deciding import Deciding
from gateway.roles.facts import BACKING_OFF
from gateway.roles.reasons import UNAVAILABLE
from gateway.upstream.retry import RetryPolicy, Tried, back_off, under_way

if TYPE_CHECKING:
    from gateway.http.client import ClientConnection
    from gateway.upstream.tries import Tries

LONGEST_RETRY_AFTER: Final = 9
"""Digits."""


class Retrying(Deciding):
    """The part of an exchange that begins when a try has failed."""

    # -- what a later try will need --------------------------------------------------------------------------

    def _keep_sent(self, retry: RetryPolicy) -> None:
        """A try begins: from here on a copy is kept of what is sent of a streaming body."""
        request = self.request
        if request.body is not None or (self._request_complete and not self._early):
            return
        if request.length > retry.max_body_bytes:
            self._repeatable = False
            return
        self._kept, self._kept_limit = bytearray(), retry.max_body_bytes
        for piece in self._early:
            self._keep_piece(piece)

    def _keep_piece(self, data: bytes) -> None:
        kept = self._kept
        if kept is None:
            return
        kept += data
        if len(kept) > self._kept_limit:
            self._kept, self._repeatable = None, False

    # -- a try has failed ------------------------------------------------------------------------------------

    def _failed(self, reason: str) -> None:
        """A try is over and brought no answer: another one, or the client learns why."""
        assert self.route is not None
        if self._retry is not None:  # it could not even begin
            self._retry_over(reason)
        tries = self.route.tries
        retry = tries.retry if tries is not None else None
        found = retry.class_of_failure(reason) if retry is not None else None
        wait = self._wait_for(retry, found) if retry is not None and found is not None else None
        if found is None or wait is None:
            self._reply(self._told(reason))
        else:
            self._back_off(found, wait)

    def _told(self, reason: str) -> Reply:
        """The reply to a failure: the last one is told, and how many there were."""
        reply = UNAVAILABLE[reason]
        assert self.route is not None
        if self.route.tries is None:
            return reply
        tried = f"; {self.attempts} tries" if self.attempts > 1 else ""
        planted = "; a fault planted in the configuration was a part of it" if self.faults else ""
        return replace(reply, detail=reply.detail + tried + planted)

    def _try_out_of_time(self) -> None:
        """The time of one try is over; that of the exchange may not be."""
        self._stop_upstream("upstream_timeout")
        self._failed("upstream_timeout")

    def _retries_answer(self, tries: Tries, response: Response, end: bool) -> bool:
        """Whether another try takes the place of this answer, of which the client has seen nothing yet."""
        wait = None
        retry = tries.retry
        found = retry.class_of_status(response.status) if retry is not None else None
        if retry is not None and found is not None:
            if self._retry is not None:
                self._retry_over(str(response.status))
            wait = self._wait_for(retry, found, self._asked_to_wait(response))
        if found is None or wait is None:
            self._kept = None  # once this answer goes on nothing is sent again
            return False
        connection, self.upstream_status = self.upstream, response.status
        self._end_try()
        if connection is not None and not end:
            self._throw_away(connection, response)
        self._back_off(found, wait)
        return True

    def _throw_away(self, connection: ClientConnection, response: Response) -> None:
        if self._request_complete:
            drain(connection, response)
        else:
            connection.cancel()  # in the middle of a body both ways: of no use to anybody

    def _asked_to_wait(self, response: Response) -> float:
        """Seconds of the answer's Retry-After, where no other endpoint is left that did not say so."""
        value = response.fields.get(b"retry-after", b"")
        if not value.isdigit() or len(value) > LONGEST_RETRY_AFTER:
            return 0.0
        assert self.cluster is not None
        others = [one for one in self.cluster.endpoints if one is not self.endpoint and one not in self._tried]
        return 0.0 if others else float(value)

    # -- the next one ----------------------------------------------------------------------------------------

    def _wait_for(self, retry: RetryPolicy, found: str, at_least: float = 0.0) -> float | None:
        """Seconds to wait for another try after a failure of this class; None, and counted, when there is none."""
        assert self.route is not None
        assert self.cluster is not None
        request, worker, cluster = self.request, self.worker, self.cluster
        key = b"idempotency-key" in request.fields
        refusal = retry.refusal(found, Tried(request.method, key, self._repeatable, self.retries))
        wait = max(back_off(self.retries + 1, retry.backoff, worker.random), at_least)
        if not refusal and self.deadline and worker.clock() + wait >= self.deadline:
            refusal = "deadline"
        if not refusal and not cluster.budget.take(under_way(cluster.endpoints, len(cluster.pending))):
            refusal = "budget"
        if refusal:
            worker.metrics.retries_refused.add(self.route.name, cluster.name, found, refusal)
            return None
        return wait

    def _back_off(self, found: str, wait: float) -> None:
        """Wait, with a share of the budget in hand; what was sent is early once more."""
        assert self.cluster is not None
        self.state = BACKING_OFF
        self.retries += 1
        self._retry = found, self.cluster.budget
        self.try_deadline = 0.0
        self.fault = None
        if self.endpoint is not None:
            self._tried = (*(one for one in self._tried if one is not self.endpoint), self.endpoint)
        if self._kept:
            self._early = (bytes(self._kept), *self._early)
        self._kept = None
        self._timer = asyncio.get_running_loop().call_later(wait, self._next_try)

    def _next_try(self) -> None:
        self._timer = None
        self._connect_again()

    def _retry_over(self, error: str) -> None:
        """Give the budget back what this retry took, and count how it ended: `error` as in `_end_try`, or a status."""
        assert self._retry is not None
        assert self.route is not None
        assert self.cluster is not None
        (found, budget), self._retry = self._retry, None
        budget.give_back()
        result = "abandoned" if error == "client_gone" else "failure" if error else "success"
        self.worker.metrics.retries.add(self.route.name, self.cluster.name, found, result)

    def _connect_again(self, fresh: bool = False) -> None:
        """Ask the same cluster for a connection, if possible to another endpoint."""
        raise NotImplementedError("an exchange that tries again also connects")

    def _end_try(self, error: str = "") -> None:
        """One try is over."""
        raise NotImplementedError("an exchange that tries again also returns answers")
