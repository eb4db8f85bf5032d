"""A rate limit for some operations of a SOAP or GraphQL service.

The problem: all operations of such a service come to one address by one method, so a limit on its route counts reading
like recovering a password. The rule: a guard before it has found out, from the body, what is asked for; the limit
counts what it names and lets everything else pass, uncounted. What a GraphQL operation calls itself is the client's own
word, so it is believed only where persisted queries are required (gateway.spec.checks.limits).
"""

from __future__ import annotations

from typing import Any

from gateway.filters.base import Build, Decision, Filter, Verdict
from gateway.http.messages import Request
from gateway.spec.filters import RateLimit


class OperationLimit(Filter[RateLimit]):
    """A limit, of these operations alone."""

    Spec = RateLimit

    def __init__(self, spec: RateLimit, build: Build, limit: Filter[Any]) -> None:
        super().__init__(spec, build)
        self._limit = limit
        self._named = frozenset(spec.operations)

    def _counts(self, request: Request) -> bool:
        return any(name in self._named for _, name in request.operations)

    def decide(self, request: Request) -> Decision:
        """As the limit does, if it is meant."""
        return self._limit.decide(request) if self._counts(request) else None

    def preview(self, request: Request) -> Decision:
        """The same, and nothing spent."""
        return self._limit.preview(request) if self._counts(request) else None

    def commit(self, request: Request) -> None:
        """Spend, if it was counted."""
        if self._counts(request):
            self._limit.commit(request)

    def explain(self, request: Request, reply: Verdict) -> str:
        """What is left, or that this is nothing that it counts."""
        if self._counts(request):
            return self._limit.explain(request, reply)
        return f"counts {', '.join(self.spec.operations)} only"

    def view(self) -> dict[str, Any] | None:
        """Who has used how much."""
        return self._limit.view()

    def kept_with(self, build: Build) -> bool:
        """As the limit."""
        return self._limit.kept_with(build)
