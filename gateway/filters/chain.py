"""The loop that runs a route's filters.

The problem: most filters of most routes decide at once, and a chain of wrapped calls makes every one of them pay
for the few that wait. The rule: the chain is a visible loop over plain calls; it stops where a filter replies,
waits or wants the body, and goes on from there. An exception inside a filter denies the request, or keeps the answer
back, and is counted: fail closed.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final

from gateway.filters.answers import ENCODED, Held, Stream, is_encoded
from gateway.filters.base import Decision, Filter, Verdict
from gateway.http.messages import Reply, Request, Response
from gateway.observability.metrics import Metrics

log = logging.getLogger("gateway.filters")

AnyFilter = Filter[Any]

FILTER_ERROR: Final = Reply(500, "filter_error", "a filter failed, so the request was denied")
ANSWER_KEPT_BACK: Final = Reply(500, "filter_error", "a filter failed at the answer, so the answer was kept back")
BODY_ENCODED: Final = Reply(
    415,
    "body_encoded",
    "the policy of this route reads the body: send it without Content-Encoding",
    ((b"accept-encoding", b"identity"),),  # RFC 9110 section 15.5.16: a 415 says what would have been taken
)


class Waiting:
    """A filter that must wait: which one, and for what."""

    __slots__ = ("awaitable", "position")

    def __init__(self, position: int, awaitable: Awaitable[Verdict]) -> None:
        self.position = position
        self.awaitable = awaitable


class BodyWanted:
    """A filter that must see the whole body: which one, and how much of it at most."""

    __slots__ = ("limit", "position")

    def __init__(self, limit: int, position: int = 0) -> None:
        self.limit = limit
        """Bytes."""
        self.position = position


class Stopped:
    """A filter that answered by itself."""

    __slots__ = ("filter", "reply")

    def __init__(self, reply: Reply, stopped_by: AnyFilter) -> None:
        self.reply = reply
        self.filter = stopped_by


Outcome = Stopped | Waiting | BodyWanted | None
"""Where a chain stopped; None when every filter let the request pass."""

Step = tuple[Callable[[Request], Decision | BodyWanted], Callable[[Request], None] | None, AnyFilter]


class Chain:
    """A route's filters, in the order in which they run."""

    __slots__ = (
        "_fronts",
        "_holders",
        "_late",
        "_metrics",
        "_streamers",
        "asks_plain",
        "enders",
        "filters",
        "reads_answers",
        "rescuers",
        "responders",
        "steps",
    )

    def __init__(self, filters: Sequence[AnyFilter], metrics: Metrics) -> None:
        self.filters = tuple(filters)
        self._metrics = metrics
        # A filter that spends nothing costs one call, one that ignores answers none, and only one that wants the
        # body is asked through a function that looks for it: resolved here, once.
        self.steps: tuple[Step, ...] = tuple(
            (
                _with_body(one) if one.body_limit else one.decide,
                one.commit if _overrides(one, "commit") else None,
                one,
            )
            for one in _joined(self.filters)
        )
        backwards = self.filters[::-1]
        self._holders = tuple(one for one in backwards if one.answer_limit)
        self._streamers = tuple(one for one in backwards if _overrides(one, "stream"))
        self.reads_answers = bool(self._holders or self._streamers)
        """Whether any filter looks at the bodies of answers."""
        self.asks_plain = bool(self._holders) or any(one.asks_plain for one in self.filters)
        """Whether endpoints must be asked for answers that are not compressed."""
        first = next((index for index, one in enumerate(self.filters) if one.answer_limit), 0)
        self.responders = tuple(one for one in self.filters[first:][::-1] if _overrides(one, "on_response"))
        """Those that see the head as it comes: all, where no filter wants the whole."""
        self._late = tuple(one for one in self.filters[:first][::-1] if _overrides(one, "on_response"))
        """Those that see it when the filters behind them have spoken."""
        self.rescuers = tuple(one for one in backwards if _overrides(one, "on_failure"))
        self._fronts: dict[AnyFilter, Chain] = {}
        _check_keepers(self.filters)
        self.enders = tuple(one for one in self.filters if _overrides(one, "on_end"))

    def __repr__(self) -> str:
        return " → ".join(f"{one.name}({one.where})" for one in self.filters) or "no filters"

    def run(self, request: Request, position: int = 0) -> Outcome:
        """Run the filters from `position`; None when all passed."""
        steps = self.steps[position:] if position else self.steps
        current: AnyFilter | None = None
        try:
            for decide, commit, current in steps:
                verdict = decide(request)
                if verdict is None:
                    if commit is not None:
                        commit(request)
                elif isinstance(verdict, Reply):
                    return Stopped(verdict, current)
                elif isinstance(verdict, BodyWanted):
                    verdict.position = self._position(current)
                    return verdict
                else:
                    return Waiting(self._position(current), verdict)
        except Exception:
            assert current is not None
            return self._failed(current)
        return None

    def _position(self, current: AnyFilter) -> int:
        return next(index for index, step in enumerate(self.steps) if step[2] is current)

    async def resume(self, waiting: Waiting, request: Request) -> Stopped | BodyWanted | None:
        """Wait for the filter that must wait, and for each later one that must."""
        outcome: Outcome = waiting
        while isinstance(outcome, Waiting):
            _, commit, current = self.steps[outcome.position]
            try:
                reply = await outcome.awaitable
                if reply is None and commit is not None:
                    commit(request)
            except Exception:
                return self._failed(current)
            if reply is not None:
                return Stopped(reply, current)
            outcome = self.run(request, outcome.position + 1)
        return outcome

    def respond(self, request: Request, response: Response) -> Stopped | None:
        """Show the head of an answer to the filters that want to see it, last filter first."""
        return self._shown(self.responders, request, response)

    def respond_late(self, request: Request, response: Response) -> Stopped | None:
        """The same for the filters in front of all that want whole answers."""
        return self._shown(self._late, request, response)

    def _shown(self, filters: Sequence[AnyFilter], request: Request, response: Response) -> Stopped | None:
        """One that fails keeps the answer back: nobody knows what it would have taken out."""
        for one in filters:
            try:
                content = one.on_response(request, response)
            except Exception:
                return self._failed(one, ANSWER_KEPT_BACK)
            if content is not None:
                return Stopped(content, one)
        return None

    def rescue(self, request: Request, reply: Reply) -> Stopped | None:
        """What a filter has for the client in place of an answer that did not come."""
        for one in self.rescuers:
            try:
                content = one.on_failure(request, reply)
            except Exception:
                self._failed(one)  # the failure that it could not make good is told as it is
                continue
            if content is not None:
                return Stopped(content, one)
        return None

    def before(self, one: AnyFilter) -> Chain:
        """The filters in front of one: what goes back through them when that one answers by itself."""
        found = self._fronts.get(one)
        if found is None:
            position = next(index for index, other in enumerate(self.filters) if other is one)
            found = self._fronts[one] = Chain(self.filters[:position], self._metrics)
        return found

    def holding(self, request: Request, response: Response) -> Held | Stopped | None:
        """Whether filters want to see this answer whole, or one has failed; None when it may stream past."""
        wanting = [one for one in self._holders if one.wants_answer(request, response)] if self._holders else ()
        if not wanting:
            return None
        held = Held(response, wanting)
        return Stopped(ENCODED, held.strictest) if is_encoded(response) else held

    def judge(self, request: Request, held: Held) -> bytes | Stopped:
        """Show a whole answer to the filters that want it, last filter first: what becomes of it."""
        body = bytes(held.body)
        for one in held.wanting:
            try:
                outcome = one.on_answer(request, held.response, body)
            except Exception:
                return self._failed(one)
            if isinstance(outcome, Reply):
                return Stopped(outcome, one)
            body = outcome
        return body

    def streams(self, request: Request, response: Response) -> tuple[Stream, ...] | Stopped:
        """What the body of this answer passes through, last filter first."""
        found: list[Stream] = []
        for one in self._streamers:
            try:
                stream = one.stream(request, response)
            except Exception:
                return self._failed(one, ANSWER_KEPT_BACK)
            if stream is not None:
                found.append(stream)
        return tuple(found)

    def end(self, request: Request) -> None:
        """Tell the filters that want to know that the exchange is over; what fails in one is not the others' loss."""
        for one in self.enders:
            try:
                one.on_end(request)
            except Exception:
                self._failed(one)

    def _failed(self, current: AnyFilter, reply: Reply = FILTER_ERROR) -> Stopped:
        self._metrics.filter_errors.add(current.name)
        log.exception("filter %s (%s) failed; %s", current.name, current.where, reply.detail)
        return Stopped(reply, current)


def _joined(filters: Sequence[AnyFilter]) -> Iterator[AnyFilter]:
    """The filters as steps: neighbours that can be asked in one go are one."""
    for _, neighbours in groupby(filters, lambda one: one.joins or one):
        first, *following = neighbours
        yield first.join(following) if following else first


def _check_keepers(filters: Sequence[AnyFilter]) -> None:
    """What is kept must be what filters behind have made of it, so none in front may want it whole."""
    whole: AnyFilter | None = None
    for one in filters:
        if one.keeps_answers and whole is not None:
            raise ValueError(
                f"{whole.name} ({whole.where}) reads whole answers: put it behind {one.name} ({one.where})"
            )
        whole = one if one.answer_limit else whole


def body_too_large(limit: int) -> Reply:
    """The answer to more body than the filter that wants it takes."""
    return Reply(413, "body_too_large_to_inspect", f"the policy of this route reads bodies of at most {limit} bytes")


def lacks_body(one: AnyFilter, request: Request) -> Reply | BodyWanted | None:
    """What stands between a filter that wants the body and its deciding; None when the body is there.

    What could not be read is refused before a byte of it is read.
    """
    limit = one.body_limit
    if any(coding.lower() != b"identity" for coding in request.all(b"content-encoding")):
        return BODY_ENCODED
    if request.length > limit:
        return body_too_large(limit)
    if request.body is None and request.length:
        return BodyWanted(limit)
    request.body = request.body or b""
    return None


def _with_body(one: AnyFilter) -> Callable[[Request], Decision | BodyWanted]:
    """The `decide` of a filter that wants the body."""
    decide = one.decide

    def decide_with_body(request: Request) -> Decision | BodyWanted:
        lacking = lacks_body(one, request)
        return decide(request) if lacking is None else lacking

    return decide_with_body


def _overrides(one: AnyFilter, method: str) -> bool:
    return getattr(type(one), method) is not getattr(Filter, method)
