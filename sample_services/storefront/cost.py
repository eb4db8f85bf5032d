"""What will this operation cost, before it runs?

Every field that can be resolved counts 1, times the length of each list it stands in. Lists say their length
through the schema's @listSize: by an argument (`first`) or an assumed number. So
`products(first: 20) { nodes { name reviews(first: 5) { stars } } }` costs 1 + 20·(1 + 1 + 1 + 5·1) = 161.

Fragments are the trap: ten fragments that each spread the next one twice stand for 2¹⁰ fields. Each fragment
is therefore measured once and its result reused, which keeps measuring linear in the text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, cast

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SchemaMetaFieldDef,
    SelectionSetNode,
    TypeMetaFieldDef,
    VariableNode,
    get_directive_values,
    get_named_type,
    is_introspection_type,
)

from sample_services.storefront.limits import Limits, check


class Size(NamedTuple):
    """How big a selection is: levels of fields, values in the largest answer, fields on its first level."""

    depth: int
    cost: int
    width: int

    def beside(self, other: Size) -> Size:
        """Both selections in one object."""
        return Size(max(self.depth, other.depth), self.cost + other.cost, self.width + other.width)


_NOTHING = Size(0, 0, 0)
_META: Final = {"__schema": SchemaMetaFieldDef, "__type": TypeMetaFieldDef}
_INTROSPECTED: Final = {"types": 28, "fields": 4, "directives": 6, "locations": 3, "enumValues": 2}
"""Introspection answers with lists, too. These lengths are the schema's own, on average and rounded up."""


def check_cost(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: Mapping[str, Any],
    limits: Limits,
) -> Size:
    """Measures a valid operation (validation has excluded fragment cycles) and holds it against `limits`.

    Raises:
        LimitExceededError: too deep, too costly, or too many fields at its root.
    """
    root = schema.get_root_type(operation.operation)
    assert isinstance(root, GraphQLObjectType)
    size = _Meter(schema, document, operation, variables).selection(operation.selection_set, root)
    check("query_too_deep", "a depth of", size.depth, limits.depth)
    check("query_too_wide", "a number of root fields of", size.width, limits.root_fields)
    check("query_too_costly", "a cost of", size.cost, limits.cost)
    return size


class _Meter:
    """Measures the selections of one operation; remembers each fragment's size."""

    def __init__(
        self,
        schema: GraphQLSchema,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        variables: Mapping[str, Any],
    ) -> None:
        self.schema = schema
        self.fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self.defaults = {node.variable.name.value: node.default_value for node in operation.variable_definitions or ()}
        self.variables = variables
        self.measured: dict[str, Size] = {}

    def selection(self, node: SelectionSetNode | None, parent: GraphQLNamedType) -> Size:
        size = _NOTHING
        for child in node.selections if node else ():
            if isinstance(child, FieldNode):
                size = size.beside(self._field(child, parent))
            elif isinstance(child, FragmentSpreadNode):
                size = size.beside(self._spread(child.name.value))
            elif isinstance(child, InlineFragmentNode):
                size = size.beside(self.selection(child.selection_set, parent))
        return size

    def _spread(self, name: str) -> Size:
        if name not in self.measured:
            fragment = self.fragments[name]
            parent = self.schema.get_type(fragment.type_condition.name.value)
            self.measured[name] = self.selection(fragment.selection_set, cast(GraphQLNamedType, parent))
        return self.measured[name]

    def _field(self, node: FieldNode, parent: GraphQLNamedType) -> Size:
        name = node.name.value
        if name in _META:  # how deep introspection may nest is a rule of the validation
            inner = self.selection(node.selection_set, get_named_type(_META[name].type))
            return Size(1, 1 + inner.cost, 1)
        definition = parent.fields.get(name) if isinstance(parent, GraphQLObjectType) else None
        if definition is None:  # __typename
            return Size(1, 1, 1)
        inner = self.selection(node.selection_set, get_named_type(definition.type))
        length = _INTROSPECTED.get(name, 1) if is_introspection_type(parent) else self._list_size(definition, node)
        return Size(1 + inner.depth, 1 + length * inner.cost, 1)

    def _list_size(self, definition: GraphQLField, node: FieldNode) -> int:
        """At least 1: nobody gets a discount for `first: -1000`, which the resolver refuses later."""
        directive = self.schema.get_directive("listSize")
        if directive is None or definition.ast_node is None:
            return 1
        declared = get_directive_values(directive, definition.ast_node) or {}
        sizes = [self._argument(definition, node, name) for name in declared.get("slicingArguments") or ()]
        return max([1, declared.get("assumedSize") or 1, *sizes])

    def _argument(self, definition: GraphQLField, node: FieldNode, name: str) -> int:
        """An Int argument as execution will see it: as written, else as defaulted by variable or schema."""
        value: Any = next((given.value for given in node.arguments or () if given.name.value == name), None)
        if isinstance(value, VariableNode):
            variable = value.name.value
            value = self.variables.get(variable, self.defaults.get(variable))
        declared = definition.args[name].ast_node
        if value is None and declared is not None:
            value = declared.default_value
        if isinstance(value, IntValueNode):
            return int(value.value)
        # A JSON client may write 5 as 5.0, and GraphQL takes it; infinity is no integer.
        return int(value) if isinstance(value, int) or (isinstance(value, float) and value.is_integer()) else 1
