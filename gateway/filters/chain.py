"""The loop that runs a route's filters.

The problem: most filters of most routes decide at once, and a chain of wrapped calls makes every one of them pay
for the few that wait. The rule: the chain is a visible loop over plain calls; it stops where a filter replies or
waits, and goes on from there. An exception inside a filter denies the request and is counted: fail closed.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from gateway.filters.base import Decision, Filter, Verdict
from gateway.http.messages import Reply, Request, Response
from gateway.observability.metrics import Metrics

log = logging.getLogger("gateway.filters")

AnyFilter = Filter[Any]
Step = tuple[Callable[[Request], Decision], Callable[[Request], None] | None, AnyFilter]

FILTER_ERROR: Final = Reply(500, "filter_error", "a filter failed, so the request was denied")


class Waiting:
    """A filter that must wait: which one, and for what."""

    __slots__ = ("awaitable", "position")

    def __init__(self, position: int, awaitable: Awaitable[Verdict]) -> None:
        self.position = position
        self.awaitable = awaitable


class Stopped:
    """A filter that answered by itself."""

    __slots__ = ("filter", "reply")

    def __init__(self, reply: Reply, stopped_by: AnyFilter) -> None:
        self.reply = reply
        self.filter = stopped_by


class Chain:
    """A route's filters, in the order in which they run."""

    __slots__ = ("_metrics", "filters", "responders", "steps")

    def __init__(self, filters: Sequence[AnyFilter], metrics: Metrics) -> None:
        self.filters = tuple(filters)
        self._metrics = metrics
        # A filter that spends nothing costs one call, one that ignores answers none: resolved here, once.
        self.steps: tuple[Step, ...] = tuple(
            (one.decide, one.commit if _overrides(one, "commit") else None, one) for one in self.filters
        )
        self.responders = tuple(one.on_response for one in reversed(self.filters) if _overrides(one, "on_response"))

    def __repr__(self) -> str:
        return " → ".join(f"{one.name}({one.where})" for one in self.filters) or "no filters"

    def run(self, request: Request, position: int = 0) -> Stopped | Waiting | None:
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
                else:
                    return Waiting(self.filters.index(current), verdict)
        except Exception:
            assert current is not None
            return self._failed(current)
        return None

    async def resume(self, waiting: Waiting, request: Request) -> Stopped | None:
        """Wait for the filter that must wait, and for each later one that must."""
        outcome: Stopped | Waiting | None = waiting
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

    def respond(self, request: Request, response: Response) -> None:
        """Show the upstream's answer to the filters that want to see it, last filter first."""
        for on_response in self.responders:
            on_response(request, response)

    def _failed(self, current: AnyFilter) -> Stopped:
        self._metrics.filter_errors.add(current.name)
        log.exception("filter %s (%s) failed; the request was denied", current.name, current.where)
        return Stopped(FILTER_ERROR, current)


def _overrides(one: AnyFilter, method: str) -> bool:
    return getattr(type(one), method) is not getattr(Filter, method)
