"""The schema is written first, in `schema.graphql`; code is attached to it afterwards.

So people, clients and the gateway read the same contract that is executed, and a resolver for a field that
the contract does not have is an error at start-up, not a surprise later.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

from graphql import (
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    assert_valid_schema,
    build_schema,
    is_introspection_type,
)

Resolver = Callable[..., Any]

SDL = files("sample_services.storefront").joinpath("schema.graphql").read_text(encoding="utf-8")


def executable(resolvers: Mapping[str, Mapping[str, Resolver]]) -> GraphQLSchema:
    """The schema with `resolvers[type][field]` attached.

    Raises:
        KeyError: a resolver for a type or field that the schema does not have.
        TypeError: the schema itself is wrong.
    """
    schema = build_schema(SDL)
    assert_valid_schema(schema)
    _name_arguments(schema)
    for type_name, fields in resolvers.items():
        owner = schema.type_map[type_name]
        if not isinstance(owner, GraphQLObjectType):
            raise KeyError(f"{type_name} is not an object type")
        for field_name, resolver in fields.items():
            owner.fields[field_name].resolve = resolver
    return schema


def _name_arguments(schema: GraphQLSchema) -> None:
    """`productId` in the schema reaches resolvers as `product_id`: each language keeps its own style."""
    for owner in schema.type_map.values():
        if is_introspection_type(owner):  # these belong to graphql-core, with its own names
            continue
        if isinstance(owner, GraphQLObjectType):
            for definition in owner.fields.values():
                for name, argument in definition.args.items():
                    argument.out_name = _snake(name)
        elif isinstance(owner, GraphQLInputObjectType):
            for name, part in owner.fields.items():
                part.out_name = _snake(name)


def attribute(source: Any, info: GraphQLResolveInfo[Any], **_arguments: Any) -> Any:
    """The resolver of every field without one of its own: `unitPrice` reads the attribute `unit_price`."""
    return getattr(source, _snake(info.field_name))


@lru_cache(maxsize=256)
def _snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda capital: "_" + capital.group().lower(), name)
