"""GraphQLGuard: operations are measured before the service sees them (OWASP GraphQL Cheat Sheet; OWASP API4).

The problem: at a GraphQL address everything is POST /graphql and 200 OK, so paths, methods and limits per request
say nothing: one request may be a thousand logins under a thousand aliases. The rule: the body is read whole within
a limit, read strictly, each step bounded by the one before (bytes, then tokens, then counts), and only what is
within every limit goes on. What an operation calls itself is the client's own word: rights and numbers hang on the
root fields that it asks for, and metrics know only names that the configuration knows.

A text that was measured once is not parsed again: its measures are kept by its hash, bounded.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import orjson

from gateway.filters.base import Build, Decision, Filter, Verdict
from gateway.filters.graphql_cache import TextCache
from gateway.filters.graphql_request import Asked, check_head, read_body
from gateway.filters.scopes import check_scopes
from gateway.http.messages import Reply, Request
from gateway.spec.guards import GraphQLGuard
from gateway.spec.persisted import digest, read_persisted

if TYPE_CHECKING:
    from gateway.filters.graphql_document import Operation

CACHED_CHARACTERS: Final = 1_048_576
Measured = tuple["Operation", ...]

_REASONS: Final = {
    "depth": "graphql_too_deep",
    "aliases": "graphql_too_many_aliases",
    "fields": "graphql_too_many_fields",
    "root fields": "graphql_too_many_root_fields",
    "directives": "graphql_too_many_directives",
    "cost": "graphql_too_costly",
}
_FORBIDDEN: Final = frozenset(("graphql_not_persisted",))

log = logging.getLogger("gateway.filters")


@dataclass(frozen=True)
class Judged:
    """What a request asks for in sum; a batch is one request."""

    operations: tuple[Operation, ...]
    cost: int
    counts: Mapping[str, int]
    roots: Mapping[str, int]
    introspects: bool


class GraphQLGuardFilter(Filter[GraphQLGuard]):
    """Lets pass what is within the limits."""

    Spec = GraphQLGuard

    def __init__(self, spec: GraphQLGuard, build: Build) -> None:
        super().__init__(spec, build)
        # Not at the top: graphql-core takes 0.1 s and 16 MiB, which only gateways with a guard should pay.
        from gateway.filters.graphql_document import Unacceptable, measure

        self._unacceptable, self._measure = Unacceptable, measure
        self.body_limit = spec.max_bytes
        self._passed = build.metrics.operations
        self._cache: TextCache[Measured] = TextCache(spec.cache_entries, CACHED_CHARACTERS)
        self._persisted = read_persisted(spec.persisted.file) if spec.persisted else {}
        self._names = frozenset(spec.operations) | self._persisted_names()
        self._limits = {
            "depth": spec.max_depth,
            "aliases": spec.max_aliases,
            "fields": spec.max_fields,
            "root fields": spec.max_root_fields,
            "directives": spec.max_directives,
            "cost": spec.max_cost,
        }

    def _persisted_names(self) -> set[str]:
        """Of the operations in the list; a query there that cannot be measured is refused when it is asked for."""
        names = set()
        for key, text in self._persisted.items():
            try:
                names |= {one.name for one in self._operations(text)}
            except self._unacceptable as problem:
                log.warning("%s: persisted query %s can never pass: %s", self.where, key, problem)
        return names

    def decide(self, request: Request) -> Decision:
        """Pass, or the first thing that is wrong; the cost is then the request's."""
        refused = check_head(request)
        if refused is not None:
            return refused
        try:
            asked, batch = read_body(request.body or b"")
            if not 0 < len(asked) <= self.spec.max_batch:
                return Reply(400, "graphql_batch_too_large", f"a batch has 1 to {self.spec.max_batch} operations")
            texts = [self._text(one) for one in asked]
            judged = self._judge(asked, texts)
        except self._unacceptable as problem:
            return Reply(403 if problem.reason in _FORBIDDEN else 400, problem.reason, problem.detail)
        except ValueError as problem:
            return Reply(400, "graphql_malformed", str(problem))
        if any(one.digest and not one.query for one in asked):
            documents = [one.document(text) for one, text in zip(asked, texts, strict=True)]
            request.replace_body(orjson.dumps(documents if batch else documents[0]))
        request.cost, request.operations = judged.cost, tuple(map(self._label, judged.operations))
        return self._over_a_limit(judged) or self._not_allowed(request, judged)

    def _text(self, asked: Asked) -> str:
        """The query itself: sent, or known by its digest."""
        persisted = self.spec.persisted
        named = asked.digest or (digest(asked.query) if persisted else "")
        if asked.query and asked.digest and asked.digest != digest(asked.query):
            raise self._unacceptable("graphql_persisted_mismatch", "sha256Hash is not that of the query")
        if asked.query and (persisted is None or persisted.mode == "allow" or named in self._persisted):
            return asked.query
        if not asked.query and named in self._persisted:
            return self._persisted[named]
        if asked.query:
            raise self._unacceptable("graphql_not_persisted", "only queries of the list of this route may run")
        raise self._unacceptable("graphql_persisted_unknown", "PersistedQueryNotFound: no known query has this digest")

    def _operations(self, text: str) -> Measured:
        """The operations of a text, measured now or before."""
        key = digest(text)
        found = self._cache.get(key)
        if found is None:
            spec = self.spec
            found = self._measure(text, spec.max_tokens, spec.max_fragments, spec.list_arguments)
            self._cache.put(key, found, len(text))
        return found

    def _judge(self, asked: list[Asked], texts: list[str]) -> Judged:
        chosen = [self._choose(one, self._operations(text)) for one, text in zip(asked, texts, strict=True)]
        sizes = [one.size for one in chosen]
        roots: dict[str, int] = {}
        for size in sizes:
            for name, count in size.roots.items():
                roots[name] = roots.get(name, 0) + count
        cost = sum(one.size.cost.value(sent.variables, one.defaults) for one, sent in zip(chosen, asked, strict=True))
        counts = {
            "depth": max(size.depth for size in sizes),
            "aliases": sum(size.aliases for size in sizes),
            "fields": sum(size.fields for size in sizes),
            "root fields": sum(size.root_fields for size in sizes),
            "directives": sum(size.directives for size in sizes),
            "cost": cost,
        }
        return Judged(tuple(chosen), cost, counts, roots, any(size.introspects for size in sizes))

    def _choose(self, asked: Asked, operations: Measured) -> Operation:
        """The operation that runs (GraphQL specification, section 6.1)."""
        for one in operations:
            if one.name == asked.name or (not asked.name and len(operations) == 1):
                return one
        raise self._unacceptable("graphql_invalid", "name one of the operations of the query in operationName")

    def _over_a_limit(self, judged: Judged) -> Verdict:
        if judged.introspects and not self.spec.introspection:
            return Reply(403, "graphql_introspection", "the schema is not told here")
        for what, limit in self._limits.items():
            if judged.counts[what] > limit:
                said = f"{min(judged.counts[what], 10**15):g}"  # a cost may have a hundred digits
                return Reply(400, _REASONS[what], f"{what} {said}; the limit is {limit}")
        return None

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
        return operation.kind, operation.name if operation.name in self._names else "_OTHER"

    def commit(self, request: Request) -> None:
        """Count what passed."""
        for kind, name in request.operations:
            self._passed.add(request.route.name if request.route else "", kind, name)

    def explain(self, request: Request, reply: Verdict) -> str:
        """What was measured, or what is wrong."""
        if reply is not None:
            return reply.detail
        asked, _ = read_body(request.body or b"")
        judged = self._judge(asked, [self._text(one) for one in asked])
        limits = ", ".join(f"{what} {judged.counts[what]} of {limit}" for what, limit in self._limits.items())
        return f"{' + '.join(one.kind for one in judged.operations)}: {limits}"
