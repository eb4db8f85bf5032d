"""How much a GraphQL operation asks for, known before anybody runs it.

The problem: the client writes the query, so a few hundred bytes can ask for millions of values: by nesting, by
aliases (the same field a thousand times), by fragments that spread each other (2¹⁰ fields in ten lines), by long
lists within long lists. The rule: everything is counted as it would be executed, fragments expanded, but each
fragment is measured once and its result reused, so measuring is linear in the text.

Cost: every field counts 1, times the length of each list it stands in. Without the schema a list is known by its
argument (`first: 20`); so `{ products(first: 20) { nodes { name reviews(first: 5) { stars } } } }` costs
1 + 20·(1 + 1 + 1 + 5·1) = 161. (The model of GitHub's and Shopify's APIs; the GraphQL Cost Directives
specification calls such arguments slicing arguments.) Lengths may be variables: then the cost is a small formula,
kept with the measured text and worked out for each request.

Only the parser of graphql-core is used; this module is imported when the first guard is built.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from graphql.error import GraphQLSyntaxError
from graphql.language import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    VariableDefinitionNode,
    VariableNode,
    parse,
)

from gateway.filters.graphql_size import INTROSPECTION, MAX_LENGTH, ONE, Length, Size, Unacceptable, together


@dataclass(frozen=True)
class Operation:
    """One operation of a document, measured."""

    kind: str
    """`query`, `mutation` or `subscription`."""
    name: str
    """Empty for an anonymous one."""
    size: Size
    defaults: Mapping[str, int] = field(default_factory=dict)
    """Of its variables, as far as they are numbers."""
    variables: tuple[VariableDefinitionNode, ...] = ()


_ROOTS: Final = {"query": "Query", "mutation": "Mutation", "subscription": "Subscription"}


def read(text: str, max_tokens: int) -> DocumentNode:
    """A text, parsed: bounded before the parser has worked, since it stops at the first token too many.

    Raises:
        Unacceptable: it is no GraphQL, too long, or nested too deeply.
    """
    try:
        return parse(text, no_location=True, max_lexical_tokens=max_tokens, max_comments=max_tokens)
    except GraphQLSyntaxError as error:
        if "Parsing aborted" not in error.message:
            raise Unacceptable("graphql_syntax", error.message) from None
        if "nested" in error.message:
            raise Unacceptable("graphql_too_deep", "the query is nested too deeply to be read") from None
        raise Unacceptable("graphql_too_many_tokens", f"more than {max_tokens} tokens") from None


def measure(document: DocumentNode, max_fragments: int, list_arguments: Sequence[str]) -> tuple[Operation, ...]:
    """Every operation of a document.

    Args:
        list_arguments: names of arguments that say how long a list gets.

    Raises:
        Unacceptable: it is no executable document, or its fragments go round in circles.
    """
    fragments = {one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)}
    operations = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    if len(fragments) > max_fragments:
        detail = f"{len(fragments)} fragments; the limit is {max_fragments}"
        raise Unacceptable("graphql_too_many_fragments", detail)
    if len(operations) + len(fragments) != len(document.definitions):
        raise Unacceptable("graphql_invalid", "only operations and fragments can be executed, each name once")
    names = [one.name.value if one.name else "" for one in operations]
    if not operations or len(set(names)) != len(names) or ("" in names and len(names) > 1):
        raise Unacceptable("graphql_invalid", "one operation, or several with names of their own")
    meter = _Meter(fragments, frozenset(list_arguments))
    try:
        for name in fragments:  # also those that no operation spreads: what is not looked at is not let through
            meter.spread(name)
        return tuple(_operation(one, meter) for one in operations)
    except RecursionError:
        raise Unacceptable("graphql_too_deep", "the query is nested too deeply to be measured") from None


def _operation(node: OperationDefinitionNode, meter: _Meter) -> Operation:
    kind = node.operation.value
    size = meter.selection(node.selection_set)
    size = size.with_directives(len(node.directives or ()))
    roots = {f"{_ROOTS[kind]}.{name}": count for name, count in size.roots.items()}
    defaults = {
        one.variable.name.value: _number(one.default_value)
        for one in node.variable_definitions or ()
        if isinstance(one.default_value, IntValueNode)
    }
    name = node.name.value if node.name else ""
    return Operation(kind, name, size.with_roots(roots), defaults, tuple(node.variable_definitions or ()))


def _number(node: Any) -> int:
    """A whole number of the text; a length of a hundred digits is as good as any that is too large."""
    return min(int(node.value), MAX_LENGTH) if len(node.value) <= 12 else MAX_LENGTH


class _Meter:
    """Measures selections; remembers each fragment's size."""

    def __init__(self, fragments: Mapping[str, FragmentDefinitionNode], list_arguments: frozenset[str]) -> None:
        self._fragments = fragments
        self._list_arguments = list_arguments
        self._measured: dict[str, Size | None] = {}

    def selection(self, node: SelectionSetNode | None) -> Size:
        return together(map(self._child, node.selections if node else ()))

    def _child(self, node: SelectionNode) -> Size:
        if isinstance(node, FieldNode):
            size = self._field(node)
        elif isinstance(node, FragmentSpreadNode):
            size = self.spread(node.name.value)
        else:
            assert isinstance(node, InlineFragmentNode)
            size = self.selection(node.selection_set)
        return size.with_directives(len(node.directives or ()))

    def spread(self, name: str) -> Size:
        """The size of a fragment, measured once."""
        if name not in self._measured:
            if name not in self._fragments:
                raise Unacceptable("graphql_invalid", f"there is no fragment {name!r}")
            self._measured[name] = None  # under way: whoever comes here again has gone in a circle
            self._measured[name] = self.selection(self._fragments[name].selection_set)
        size = self._measured[name]
        if size is None:
            raise Unacceptable("graphql_circular_fragments", f"fragment {name!r} leads back to itself")
        return size

    def _field(self, node: FieldNode) -> Size:
        name = node.name.value
        if node.selection_set is None:
            return Size(1, 1, int(node.alias is not None), 0, name in INTROSPECTION, ONE, {name: 1})
        inner = self.selection(node.selection_set)
        below = inner.cost.times(self._length(node))
        return Size(
            depth=1 if name in INTROSPECTION else 1 + inner.depth,
            fields=1 + inner.fields,
            aliases=inner.aliases + (node.alias is not None),
            directives=inner.directives,
            introspects=inner.introspects or name in INTROSPECTION,
            cost=below.plus(1),
            roots={name: 1},
        )

    def _length(self, node: FieldNode) -> Length:
        """How many times a field's selection is answered; the first of several arguments that is a variable wins."""
        given = [one.value for one in node.arguments or () if one.name.value in self._list_arguments]
        for value in given:
            if isinstance(value, VariableNode):
                return value.name.value
        return max([1, *(_number(value) for value in given if isinstance(value, IntValueNode))])
