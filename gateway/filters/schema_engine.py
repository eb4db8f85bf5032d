"""Schemas as workers check values by them.

The problem: a validator that lists everything that is wrong can be made to list for minutes: half a million wrong items
under a `oneOf` take this engine 17 s, a value nested 18 deep in a recursive `anyOf` 90 s (measured). The rule: whether
a value fits is asked of the engine's yes-or-no, which stops at the first no and remembers what it has seen of schemas
that hold themselves; why not is looked for separately, within a budget (`schema_flaws`).

jsonschema-rs is imported with this module, so only by gateways that check schemas.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import jsonschema_rs

from gateway.filters.schema_flaws import find_flaws
from gateway.http.messages import Flaw

_PATTERNS: Final = jsonschema_rs.RegexOptions(size_limit=1 << 20, dfa_size_limit=1 << 20)


def compiled(schema: Any, definitions: Mapping[str, Any] | None = None) -> jsonschema_rs.Draft202012Validator:
    """A validator; formats are checked, expressions are of the linear-time engine, nothing is fetched.

    Raises:
        ValueError: it is no schema (the contract was checked when it was made, so this is a mistake of ours).
    """
    whole = {"$defs": dict(definitions or {}), "allOf": [schema]}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True, pattern_options=_PATTERNS, offline=True)


@lru_cache(maxsize=2_000)
def _rule(keyword: str, value: str) -> jsonschema_rs.Draft202012Validator:
    return compiled({keyword: json.loads(value)})


class Schema:
    """One schema of a contract; the validator is made when the first value comes."""

    __slots__ = ("_validator", "definitions", "schema")

    def __init__(self, schema: Any, definitions: Mapping[str, Any]) -> None:
        self.schema = schema
        self.definitions = definitions
        """Only those that it needs: a validator is made of all that it is given."""
        self._validator: jsonschema_rs.Draft202012Validator | None = None

    def fits(self, value: Any) -> bool:
        """Whether the value fits; time linear in it."""
        if self._validator is None:
            self._validator = compiled(self.schema, self.definitions)
        return self._validator.is_valid(value)

    def flaws(self, value: Any) -> list[Flaw]:
        """Why a value does not fit, as far as that is found within a bounded time; at least one."""
        return find_flaws(self.schema, self.definitions, value, _rule)
