"""Whether an operation fits the schema, said without telling what is in the schema.

The problem: a service that validates answers a wrong guess with help ("Did you mean 'passwordHash'?"), so strangers
read a schema that introspection does not tell, one guess at a time; and answers stream through the gateway unread.
The rule: what does not fit is refused here, by the validation of graphql-core with its suggestions off, and so never
gets to the helpful service. Values of variables are checked as well, since input fields are guessed in the same way.

The rule that compares fields in pairs (OverlappingFieldsCanBeMerged) is left to the service: it costs the square of
what the client sent, and suggests nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OverlappingFieldsCanBeMergedRule,
    specified_rules,
    validate,
)
from graphql.execution.values import get_variable_values

from gateway.filters.graphql_document import Operation
from gateway.filters.graphql_size import Unacceptable

_RULES: Final = tuple(one for one in specified_rules if one is not OverlappingFieldsCanBeMergedRule)
_LONGEST: Final = 300


class SchemaCheck:
    """Holds texts and values against one schema."""

    def __init__(self, schema: GraphQLSchema) -> None:
        self._schema = schema

    def document(self, document: DocumentNode) -> None:
        """Check a text; once, since it does not depend on variables.

        Raises:
            Unacceptable: something in it does not fit.
        """
        _refuse(validate(self._schema, document, _RULES, max_errors=1, hide_suggestions=True))

    def variables(self, operation: Operation, values: Mapping[str, Any]) -> None:
        """Check the values that a request brings for an operation's variables.

        Raises:
            Unacceptable: one does not fit.
        """
        if operation.variables:
            found = get_variable_values(
                self._schema, operation.variables, dict(values), max_errors=1, hide_suggestions=True
            )
            if isinstance(found, list):
                _refuse(found)


def _refuse(errors: list[GraphQLError]) -> None:
    if errors:
        raise Unacceptable("graphql_validation", errors[0].message[:_LONGEST])
