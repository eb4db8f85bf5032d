"""From what a client sent to measured operations: known texts by their digest, each text read once.

The problem: parsing, measuring and validating a text costs a hundred times what looking it up costs, and each of
these steps must be bounded by the one before. The rule: tokens, then counts, then limits, then the schema; what
passed all of them is kept by the hash of its text. Every operation of a text must pass, also those that do not run:
the service reads and validates them all.

This module is imported when the first guard is built: graphql-core takes 0.1 s and 16 MiB.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from gateway.filters.graphql_cache import TextCache
from gateway.filters.graphql_document import Operation, measure, read
from gateway.filters.graphql_request import Asked
from gateway.filters.graphql_size import Size, Unacceptable
from gateway.spec.graphql_files import digest, read_persisted, read_schema
from gateway.spec.guards import GraphQLGuard

if TYPE_CHECKING:
    from gateway.filters.graphql_schema import SchemaCheck

CACHED_CHARACTERS: Final = 1_048_576

_REASONS: Final = {
    "depth": "graphql_too_deep",
    "aliases": "graphql_too_many_aliases",
    "fields": "graphql_too_many_fields",
    "root fields": "graphql_too_many_root_fields",
    "directives": "graphql_too_many_directives",
    "cost": "graphql_too_costly",
}

log = logging.getLogger("gateway.filters")


class Texts:
    """The texts of one guard, and its limits."""

    def __init__(self, spec: GraphQLGuard, where: str) -> None:
        self._spec = spec
        self.limits = {
            "depth": spec.max_depth,
            "aliases": spec.max_aliases,
            "fields": spec.max_fields,
            "root fields": spec.max_root_fields,
            "directives": spec.max_directives,
            "cost": spec.max_cost,
        }
        self._schema = _schema_check(spec.schema_file) if spec.schema_file else None
        self._kept: TextCache[tuple[Operation, ...]] = TextCache(spec.cache_entries, CACHED_CHARACTERS)
        self._persisted = read_persisted(spec.persisted.file) if spec.persisted else {}
        self.names = frozenset(spec.operations) | self._persisted_names(where)
        """Of operations that the configuration knows."""

    def _persisted_names(self, where: str) -> set[str]:
        names = set()
        for key, text in self._persisted.items():
            try:
                names |= {one.name for one in self.operations(text)}
            except Unacceptable as problem:
                log.warning("%s: persisted query %s can never pass: %s", where, key, problem)
        return names

    def text(self, asked: Asked) -> str:
        """The query itself: sent, or known by its digest.

        Raises:
            Unacceptable: it is not known and had to be.
        """
        persisted = self._spec.persisted
        if asked.query and asked.digest and asked.digest != digest(asked.query):
            raise Unacceptable("graphql_persisted_mismatch", "sha256Hash is not that of the query")
        if not asked.query:
            if asked.digest in self._persisted:
                return self._persisted[asked.digest]
            raise Unacceptable("graphql_persisted_unknown", "PersistedQueryNotFound: no known query has this digest")
        if persisted and persisted.mode == "require" and digest(asked.query) not in self._persisted:
            raise Unacceptable("graphql_not_persisted", "only queries of the list of this route may run")
        return asked.query

    def chosen(self, asked: Asked) -> Operation:
        """The operation that runs (GraphQL specification, section 6.1).

        Raises:
            Unacceptable: the text or its variables are not acceptable, or it has no such operation.
        """
        operations = self.operations(self.text(asked))
        for one in operations:
            if one.name == asked.name or (not asked.name and len(operations) == 1):
                if self._schema is not None:
                    self._schema.variables(one, asked.variables)
                return one
        raise Unacceptable("graphql_invalid", "name one of the operations of the query in operationName")

    def operations(self, text: str) -> tuple[Operation, ...]:
        """The operations of a text, measured now or before.

        Raises:
            Unacceptable: one of them is over a limit, or does not fit the schema.
        """
        key = digest(text)
        found = self._kept.get(key)
        if found is None:
            document = read(text, self._spec.max_tokens)
            found = measure(document, self._spec.max_fragments, self._spec.list_arguments)
            for one in found:
                self.check_counts(counts([one.size]))
                if one.size.introspects and not self._spec.introspection:
                    raise Unacceptable("graphql_introspection", "the schema is not told here")
            if self._schema is not None:
                self._schema.document(document)
            self._kept.put(key, found, len(text))
        return found

    def check_counts(self, found: Mapping[str, int]) -> None:
        """Hold what was counted against the limits.

        Raises:
            Unacceptable: for the first one that is exceeded.
        """
        for what, count in found.items():
            limit = self.limits[what]
            if count > limit:
                said = f"{min(count, 10**15):g}"  # a cost may have a hundred digits
                raise Unacceptable(_REASONS[what], f"{what} {said}; the limit is {limit}")


def counts(sizes: Iterable[Size]) -> dict[str, int]:
    """What several operations ask for in sum: a batch is one request."""
    each = tuple(sizes)
    return {
        "depth": max(size.depth for size in each),
        "aliases": sum(size.aliases for size in each),
        "fields": sum(size.fields for size in each),
        "root fields": sum(size.root_fields for size in each),
        "directives": sum(size.directives for size in each),
    }


def _schema_check(file: str) -> SchemaCheck:
    from gateway.filters.graphql_schema import SchemaCheck  # the validation, only where there is a schema

    return SchemaCheck(read_schema(file))
