"""GraphQLGuard: operations are measured before the service sees them (OWASP GraphQL Cheat Sheet; OWASP API4).

The problem: at a GraphQL address everything is POST /graphql and 200 OK, so paths, methods and limits per request
say nothing: one request may be a thousand logins under a thousand aliases. The rule: the body is read whole within
a limit, read strictly, each step bounded by the one before (bytes, then tokens, then counts, then the schema), and
only what is within every limit goes on. What an operation calls itself is the client's own word: rights and numbers
hang on the root fields that it asks for, and metrics know only names that the configuration knows.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.filters.base import Build, Decision, Filter, Verdict
from gateway.filters.graphql_request import Asked, check_head, read_body
from gateway.filters.graphql_size import Unacceptable
from gateway.filters.scopes import check_scopes
from gateway.http.messages import Reply, Request
from gateway.spec.guards import GraphQLGuard

if TYPE_CHECKING:
    from gateway.filters.graphql_document import Operation

_FORBIDDEN: Final = frozenset(("graphql_not_persisted", "graphql_introspection"))


@dataclass(frozen=True)
class Judged:
    """What a request asks for in sum; a batch is one request."""

    operations: tuple[Operation, ...]
    counts: Mapping[str, int]
    roots: Mapping[str, int]
    """How often each field of the schema's root is asked for."""


class GraphQLGuardFilter(Filter[GraphQLGuard]):
    """Lets pass what is within the limits."""

    Spec = GraphQLGuard

    def __init__(self, spec: GraphQLGuard, build: Build) -> None:
        super().__init__(spec, build)
        from gateway.filters import graphql_texts  # not at the top: only gateways with a guard should pay for it

        self._counts = graphql_texts.counts
        self._texts = graphql_texts.Texts(spec, self.where)
        self._passed = build.metrics.operations
        self.body_limit = spec.max_bytes

    def decide(self, request: Request) -> Decision:
        """Pass, or the first thing that is wrong; the cost is then the request's."""
        refused = check_head(request)
        if refused is not None:
            return refused
        try:
            asked, batch = read_body(request.body or b"")
            if not 0 < len(asked) <= self.spec.max_batch:
                return Reply(400, "graphql_batch_too_large", f"a batch has 1 to {self.spec.max_batch} operations")
            judged = self._judge(asked)
        except Unacceptable as problem:
            return Reply(403 if problem.reason in _FORBIDDEN else 400, problem.reason, _sayable(problem.detail))
        except ValueError as problem:
            return Reply(400, "graphql_malformed", _sayable(str(problem)))
        if any(not one.query for one in asked):
            documents = [one.document(self._texts.text(one)) for one in asked]
            request.replace_body(json.dumps(documents if batch else documents[0]).encode("ascii"))
        request.cost, request.operations = judged.counts["cost"], tuple(map(self._label, judged.operations))
        return self._not_allowed(request, judged)

    def _judge(self, asked: list[Asked]) -> Judged:
        chosen = [self._texts.chosen(one) for one in asked]
        roots: Counter[str] = Counter()
        for one in chosen:
            roots.update(one.size.roots)
        cost = sum(one.size.cost.value(sent.variables, one.defaults) for one, sent in zip(chosen, asked, strict=True))
        found = self._counts(one.size for one in chosen) | {"cost": cost}
        self._texts.check_counts(found)
        return Judged(tuple(chosen), found, roots)

    def _not_allowed(self, request: Request, judged: Judged) -> Verdict:
        """Root fields that ask for more than the route does."""
        for one in self.spec.root_fields:
            times = judged.roots.get(one.field, 0)
            if times and one.max is not None and times > one.max:
                detail = f"{one.field} is asked for {times} times; the limit is {one.max} in one request"
                return Reply(400, "graphql_root_field_too_often", detail)
            refused = check_scopes(request, one.scopes, one.field) if times else None
            if refused is not None:
                return refused
        return None

    def _label(self, operation: Operation) -> tuple[str, str]:
        """Type and name for metrics: only names that the configuration knows."""
        return operation.kind, operation.name if operation.name in self._texts.names else "_OTHER"

    def commit(self, request: Request) -> None:
        """Count what passed."""
        for kind, name in request.operations:
            self._passed.add(request.route.name if request.route else "", kind, name)

    def explain(self, request: Request, reply: Verdict) -> str:
        """What was measured, or what is wrong."""
        if reply is not None:
            return reply.detail
        judged = self._judge(read_body(request.body or b"")[0])
        limits = ", ".join(f"{what} {judged.counts[what]} of {limit}" for what, limit in self._texts.limits.items())
        return f"{' + '.join(one.kind for one in judged.operations)}: {limits}"


def _sayable(text: str) -> str:
    """A sentence that quotes the client, without halves of characters that no answer can carry (JSON's \\ud800)."""
    return text.encode("utf-8", "replace").decode()
