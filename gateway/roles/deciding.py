"""How an exchange comes to a decision: find the route, run its filters, wait for what they wait for.

The problem: most requests are decided in one go, a few wait for somebody else's answer or for their own body, and
none may hold up others or be decided by half of a chain. The rule: the chain says where it stopped and why; here is
what each of these means for the client's connection, and the chain runs on from that place.
"""

from __future__ import annotations

import asyncio

from gateway.filters.answers import is_content
from gateway.filters.chain import BodyWanted, Outcome, Stopped, Waiting, body_too_large
from gateway.http.upgrade import check_origin
from gateway.roles.context import bound_baggage, count_forwards, inherit
from gateway.roles.ending import Ending
from gateway.roles.facts import COLLECTING, DECIDING, WAITING
from gateway.roles.reasons import NO_ROUTE


class Deciding(Ending):
    """The first part of an exchange."""

    def start(self) -> None:
        """Find the route and run its filters."""
        request, worker = self.request, self.worker
        found = worker.snapshot.match(request)
        if found is None:
            self._reply(NO_ROUTE)
            return
        route = self.route = request.route = found
        if worker.sample_ratio:
            self.sampled = worker.sampled()
        if route.request_timeout:
            self.deadline = self.started + route.request_timeout
        if self.connection.server.trusted_hops:
            self._inherit()
        if b"baggage" in request.fields:
            bound_baggage(request)
        if b"max-forwards" in request.fields:
            stop = count_forwards(request)
            if stop is not None:
                self._reply(stop)
                return
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
        """Go on with the ids and the sampling decision of a proxy of ours; work no longer than it waits."""
        inherited = inherit(self.request)
        if inherited.seconds:
            ends = self.started + inherited.seconds
            self.deadline = min(self.deadline, ends) if self.deadline else ends
        self.ids.request_id = inherited.request_id or self.ids.request_id
        if inherited.parent is not None:
            self.parent, self.tracestate = inherited.parent, inherited.tracestate
            self.ids.trace_id = inherited.parent.trace_id
            if self.worker.passes_on:
                self.ids.span_id = inherited.parent.span_id
                self.flags = "01" if inherited.parent.sampled else "00"
                return
            self.sampled = inherited.parent.sampled and self.worker.exporter is not None

    def _after(self, outcome: Outcome) -> None:
        if outcome is None:
            self._connect()
        elif isinstance(outcome, Stopped):
            self.outcome = outcome
            self.decided_by = outcome.reply.policy or outcome.filter.where
            if is_content(outcome.reply):
                self._answer_content(outcome)
            else:
                self._reply(outcome.reply)
        elif isinstance(outcome, BodyWanted):
            self._collect(outcome)
        else:
            self.outcome = outcome
            self.state = WAITING
            if not self._request_complete:  # else reading goes on: so it is seen when the client leaves
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

    def _connect(self) -> None:
        """Everybody let it pass: to the endpoint."""
        raise NotImplementedError("an exchange that decides also connects")
