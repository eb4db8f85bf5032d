"""A try that meets a planted fault: it is held back, or fails as real ones do.

The problem: a fault that no part of the gateway can tell from a real one teaches the most, and costs somebody hours
who does not know of it. The rule: the fault takes the place of what the endpoint does, behind the choice of endpoint
and connection, so that time-outs, retries, limits, metrics and spans see it; span, log line and explanation say that
it was planted, and so does the answer.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gateway.http.messages import Reply, Response
from gateway.roles.facts import BACKING_OFF, CONNECTING, SENDING
from gateway.roles.retrying import Retrying
from gateway.upstream.faults import Faults

if TYPE_CHECKING:
    from gateway.http.client import ClientConnection
    from gateway.upstream.endpoint import Endpoint
    from gateway.upstream.tries import Tries


class Planted(Retrying):
    """The part of an exchange that stands in for a failing endpoint."""

    def _does_not_go_out(self, tries: Tries) -> bool:
        """Whether this try, which has just got its connection, is held back or fails; else keep what it sends."""
        if self.fault is None and tries.faults is not None and self._meets_fault(tries.faults):
            return True
        if tries.retry is not None:
            self._keep_sent(tries.retry)
        return False

    def _meets_fault(self, faults: Faults) -> bool:
        assert self.route is not None
        assert self.cluster is not None
        if faults.header is not None and not (
            faults.header in self.request.fields and faults.obeys(self.connection.server.trusted_hops > 0)
        ):
            return False
        fault = self.fault = faults.draw(self.worker.random)
        if fault is None:
            return False
        self.faults += (str(fault),)
        for kind in fault.kinds:
            self.worker.metrics.faults.add(self.route.name, self.cluster.name, kind)
        if fault.delay:
            self.state = BACKING_OFF
            self._timer = asyncio.get_running_loop().call_later(fault.delay, self._delay_over)
        else:
            self._abort()
        return True

    def _delay_over(self) -> None:
        """The delay is over: the try goes out, on its own connection or, if that has closed, on a new one."""
        self._timer = None
        fault, connection, endpoint = self.fault, self.upstream, self.endpoint
        assert fault is not None
        assert connection is not None
        assert endpoint is not None
        self.state = CONNECTING
        if fault.abort is not None:
            self._abort()
        elif connection.transport.is_closing():
            self.upstream = None
            self._connect_again(fresh=True)
        else:
            self.connected(connection, endpoint)

    def _abort(self) -> None:
        """Fail as the endpoint would have: nothing was sent to it."""
        fault, connection, endpoint = self.fault, self.upstream, self.endpoint
        assert fault is not None
        assert connection is not None
        assert endpoint is not None
        self.state = SENDING
        if not fault.abort:  # RESET
            connection.cancel()
            self.answer_failed("upstream_reset", reused=False)
            return
        endpoint.released(connection, reusable=True)
        self._answer_as_planted(fault.abort)

    def _answer_as_planted(self, status: int) -> None:
        assert self.route is not None
        tries: Tries | None = self.route.tries
        assert tries is not None
        self.upstream_status = status
        if self._retries_answer(tries, Response(status, (), {}, 0, keep_alive=True), end=True):
            return
        self._end_try()
        detail = "a fault planted in the configuration answered in place of the service"
        self._reply(Reply(status, "fault_injected", detail))

    def connected(self, connection: ClientConnection, endpoint: Endpoint) -> None:
        """Here is the connection."""
        raise NotImplementedError("an exchange with planted faults also connects")

    def answer_failed(self, reason: str, reused: bool) -> None:
        """No complete answer will come."""
        raise NotImplementedError("an exchange with planted faults also returns answers")
