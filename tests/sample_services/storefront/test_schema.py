"""The schema file is the contract: valid, documented, and matched by the code."""

from __future__ import annotations

import pytest
from graphql import GraphQLObjectType, build_client_schema, introspection_from_schema, print_schema, validate_schema

from sample_services.storefront.resolvers import RESOLVERS
from sample_services.storefront.schema import executable


def test_the_schema_is_valid() -> None:
    assert validate_schema(executable(RESOLVERS)) == []


def test_introspection_tells_the_whole_schema() -> None:
    schema = executable(RESOLVERS)
    assert print_schema(build_client_schema(introspection_from_schema(schema))) == print_schema(schema)


@pytest.mark.parametrize("resolvers", [{"Query": {"nope": print}}, {"Nope": {}}, {"OrderItemInput": {}}])
def test_a_resolver_without_a_field_is_an_error_at_start(resolvers: dict[str, dict[str, object]]) -> None:
    with pytest.raises(KeyError):
        executable(resolvers)  # type: ignore[arg-type]


def test_every_field_that_starts_something_has_a_resolver_and_documentation() -> None:
    schema = executable(RESOLVERS)
    for owner in (schema.query_type, schema.mutation_type):
        assert owner is not None
        for name, definition in owner.fields.items():
            assert definition.resolve is not None, name
            assert definition.description, name


def test_every_list_with_a_length_argument_declares_it_for_the_cost() -> None:
    for owner in executable(RESOLVERS).type_map.values():
        if isinstance(owner, GraphQLObjectType) and not owner.name.startswith("__"):
            for name, definition in owner.fields.items():
                directives = definition.ast_node.directives if definition.ast_node else ()
                sized = any(directive.name.value == "listSize" for directive in directives or ())
                assert sized or "first" not in definition.args, f"{owner.name}.{name}"
