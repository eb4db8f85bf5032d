"""Types of GraphQL as JSON Schema: of variables, and of what an operation selects.

The rule: what a service that keeps to its schema answers always fits; a field that a directive or a type condition may
leave out is not promised. (GraphQL specification, sections 3 and 6.3; JSON Schema 2020-12.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableDefinitionNode,
    is_leaf_type,
    type_from_ast,
)
from graphql.language import SelectionNode

from gateway.spec.rest_offer import REFERENCE, Schema, nullable

_SCALARS: Final[dict[str, dict[str, Any]]] = {
    "Int": {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
    "Float": {"type": "number"},
    "String": {"type": "string"},
    "ID": {"type": "string"},
    "Boolean": {"type": "boolean"},
}


@dataclass(frozen=True)
class Variable:
    """A variable's type."""

    json: str
    """Of one value: string, integer, number, boolean; `any` for what only a body can bring."""
    schema: Schema
    """Of one value."""
    required: bool
    nullable: bool
    many: bool


class InputTypes:
    """Input objects, each once."""

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {}

    def schema(self, kind: Any) -> Schema:
        """An input type."""
        if isinstance(kind, GraphQLNonNull):
            return self._inner(kind.of_type)
        inner = self._inner(kind)
        return nullable(inner) if inner else inner

    def _inner(self, kind: Any) -> Schema:
        if isinstance(kind, GraphQLList):
            return {"type": "array", "items": self.schema(kind.of_type)}
        if not isinstance(kind, GraphQLInputObjectType):
            return _leaf(kind)
        if kind.name not in self.components:
            self.components[kind.name] = {}
            fields = kind.fields
            required = [name for name, one in fields.items() if _required(one)]
            self.components[kind.name] = {
                "type": "object",
                "properties": {name: self.schema(one.type) for name, one in fields.items()},
                **({"required": required} if required else {}),
                "additionalProperties": False,
            }
        return {"$ref": REFERENCE + kind.name}


def _required(one: GraphQLInputField) -> bool:
    has_default = one.ast_node is not None and one.ast_node.default_value is not None
    return isinstance(one.type, GraphQLNonNull) and not has_default


def variable_of(schema: GraphQLSchema, node: VariableDefinitionNode, types: InputTypes) -> Variable:
    """What a variable of an operation takes."""
    kind: Any = type_from_ast(schema, node.type)
    null = not isinstance(kind, GraphQLNonNull)
    required = not null and node.default_value is None
    kind = kind.of_type if isinstance(kind, GraphQLNonNull) else kind
    many = isinstance(kind, GraphQLList)
    item = kind.of_type if many else kind
    bare = item.of_type if isinstance(item, GraphQLNonNull) else item
    said = types.schema(GraphQLNonNull(bare))
    json = said.get("type", "string" if isinstance(bare, GraphQLScalarType) else "any")
    return Variable(json if json in ("string", "integer", "number", "boolean") else "any", said, required, null, many)


def answer_schema(schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode) -> Schema:
    """What `data` holds when an operation has run."""
    root = schema.get_root_type(operation.operation)
    assert root is not None
    fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
    return _Selecting(schema, fragments).object(root, [operation.selection_set])


class _Selecting:
    def __init__(self, schema: GraphQLSchema, fragments: dict[str, FragmentDefinitionNode]) -> None:
        self._schema = schema
        self._fragments = fragments

    def object(self, kind: Any, sets: Iterable[SelectionSetNode]) -> Schema:
        """An object of that type, with everything that these sets select of it."""
        found: dict[str, list[FieldNode]] = {}
        parents: dict[str, Any] = {}
        always: set[str] = set()
        for parent, node, sure in (each for one in sets for each in self._fields(kind, one.selections, True)):
            key = node.alias.value if node.alias else node.name.value
            found.setdefault(key, []).append(node)
            parents.setdefault(key, parent)
            always |= {key} if sure else set()
        members = {key: self._member(parents[key], nodes) for key, nodes in found.items()}
        required = [key for key in members if key in always]
        return {"type": "object", "properties": members, **({"required": required} if required else {})}

    def _fields(self, kind: Any, nodes: Iterable[SelectionNode], sure: bool) -> Iterator[tuple[Any, FieldNode, bool]]:
        """Fields with the type that they belong to, and whether they are always there."""
        for node in nodes:
            certain = sure and not node.directives
            if isinstance(node, FieldNode):
                yield kind, node, certain
                continue
            fragment: Any = self._fragments[node.name.value] if isinstance(node, FragmentSpreadNode) else node
            condition = fragment.type_condition
            inner = self._schema.type_map[condition.name.value] if condition is not None else kind
            if isinstance(kind, GraphQLObjectType):
                inner = kind  # a condition on an interface changes nothing about the fields of an object
            yield from self._fields(inner, fragment.selection_set.selections, certain and inner is kind)

    def _member(self, parent: Any, nodes: list[FieldNode]) -> Schema:
        name = nodes[0].name.value
        if name == "__typename":
            return {"type": "string"}
        assert isinstance(parent, GraphQLObjectType | GraphQLInterfaceType)
        return self._typed(parent.fields[name].type, nodes)

    def _typed(self, kind: Any, nodes: list[FieldNode]) -> Schema:
        if isinstance(kind, GraphQLNonNull):
            return self._inner(kind.of_type, nodes)
        inner = self._inner(kind, nodes)
        return nullable(inner) if inner else inner

    def _inner(self, kind: Any, nodes: list[FieldNode]) -> Schema:
        if isinstance(kind, GraphQLList):
            return {"type": "array", "items": self._typed(kind.of_type, nodes)}
        if is_leaf_type(kind):
            return _leaf(kind)
        return self.object(kind, [one.selection_set for one in nodes if one.selection_set])


def _leaf(kind: Any) -> Schema:
    if isinstance(kind, GraphQLEnumType):
        return {"type": "string", "enum": list(kind.values)}
    return dict(_SCALARS.get(kind.name, {}))
