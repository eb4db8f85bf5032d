"""Stored GraphQL queries, as they are offered by REST.

The problem: a query in a file is read by nobody until a client runs into its mistake. The rule: it is held against the
service's schema when the configuration is read; its variables become parameters with the schema's types and the
configuration's bounds, and what it selects is what the OpenAPI document promises. What GET asks for changes nothing,
so only queries are offered by GET (RFC 9110 section 9.2.1).

graphql-core is imported when this module is: with the first filter that needs it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    VariableDefinitionNode,
    parse,
    print_ast,
    separate_operations,
    strip_ignored_characters,
    validate,
)
from graphql.execution.values import get_variable_values

from gateway.spec.graphql_files import read_schema, read_text
from gateway.spec.graphql_shape import InputTypes, Variable, answer_schema, variable_of
from gateway.spec.rest_offer import WITHOUT_BODY, Input, Offer, OfferMistake, Schema, follow, nullable, read_template

if TYPE_CHECKING:
    from gateway.spec.mediation import GraphQLToRest, QueryVariable, StoredQuery

Wrong = list[tuple[tuple[str | int, ...], str]]
Place = Literal["path", "query", "body"]


@dataclass(frozen=True)
class StoredOperation:
    """What an operation is on the GraphQL side."""

    schema: GraphQLSchema
    text: str
    name: str
    """Empty for an operation without a name."""
    variables: tuple[VariableDefinitionNode, ...]
    partial: Literal["refuse", "pass"]


def offer_queries(spec: GraphQLToRest) -> tuple[list[Offer], dict[str, Schema], Wrong]:
    """What is offered, the types that it shares, and what is wrong: where, and a sentence."""
    try:
        schema = read_schema(spec.schema_file)
    except ValueError as error:
        return [], {}, [(("schemaFile",), str(error))]
    failures = tuple(sorted({one.status for one in spec.errors}))
    inputs = InputTypes()
    offers: list[Offer] = []
    wrong: Wrong = []
    for index, one in enumerate(spec.queries):
        try:
            offers.append(_offer(one, schema, inputs, failures))
        except OfferMistake as error:
            wrong.append((("queries", index, *error.place), str(error)))
    codes = [one.code for one in spec.errors]
    wrong += ((("errors", i, "code"), f'"{code}" stands twice') for i, code in enumerate(codes) if code in codes[:i])
    return offers, inputs.components, wrong


def _offer(spec: StoredQuery, schema: GraphQLSchema, inputs: InputTypes, failures: tuple[int, ...]) -> Offer:
    document = _read(spec.query, schema)
    operation = _chosen(spec, document)
    if operation.operation is OperationType.SUBSCRIPTION:
        raise OfferMistake("a subscription has no single answer", "operation")
    if operation.operation is OperationType.MUTATION and spec.method == "GET":
        raise OfferMistake(
            "a mutation changes something, so it cannot be a GET: use POST, PUT, PATCH or DELETE", "method"
        )
    name = operation.name.value if operation.name else ""
    template = read_template(spec.path)
    taken = tuple(_inputs(spec, operation, schema, inputs))
    selected, optional = follow(answer_schema(schema, document, operation), spec.steps, {})
    if optional and spec.absent == "null":
        selected = nullable(selected)
    text = strip_ignored_characters(print_ast(separate_operations(document)[name]))
    behind = StoredOperation(schema, text, name, tuple(operation.variable_definitions or ()), spec.partial)
    return Offer(
        name or Path(spec.query).stem, spec.method, template, taken, selected, spec.steps, spec.absent, spec.scopes,
        spec.status, failures, behind,
    )  # fmt: skip


def _read(file: str, schema: GraphQLSchema) -> DocumentNode:
    """The query in a file; a mistake in it is told with its line there."""
    name = Path(file).name
    try:
        document = parse(read_text(file))
        errors = validate(schema, document, max_errors=1)
    except GraphQLError as error:
        errors = [error]
    except ValueError as error:
        raise OfferMistake(str(error), "query") from None
    if errors:
        first = errors[0]
        place = f":{first.locations[0].line}:{first.locations[0].column}" if first.locations else ""
        raise OfferMistake(f"{name}{place}: {first.message}", "query")
    return document


def _chosen(spec: StoredQuery, document: DocumentNode) -> OperationDefinitionNode:
    operations = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    if spec.operation is None:
        if len(operations) != 1:
            raise OfferMistake(f"{Path(spec.query).name} has {len(operations)} operations: name one", "query")
        return operations[0]
    for one in operations:
        if one.name is not None and one.name.value == spec.operation:
            return one
    raise OfferMistake(f'{Path(spec.query).name} has no operation "{spec.operation}"', "operation")


# -- variables -----------------------------------------------------------------------------------------------


def _inputs(
    spec: StoredQuery, operation: OperationDefinitionNode, schema: GraphQLSchema, types: InputTypes
) -> Iterator[Input]:
    definitions = {one.variable.name.value: one for one in operation.variable_definitions or ()}
    for name in spec.variables:
        if name not in definitions:
            raise OfferMistake(f"the query has no variable ${name}", "variables", name)
    in_path = set(read_template(spec.path).names)
    seen: set[tuple[str, str]] = set()
    for name, node in definitions.items():
        told = spec.variables.get(name)
        one = _input(spec, name, told, variable_of(schema, node, types), in_path)
        if (one.place, one.name) in seen:
            raise OfferMistake(f'two variables come from "{one.name}" in the {one.place}', "variables", name)
        seen.add((one.place, one.name))
        in_path -= {one.name} if one.place == "path" else set()
        _check_default(schema, node, told)
        yield one
    if in_path:
        raise OfferMistake(f'no variable of the query takes "{min(in_path)}"', "path")


def _input(spec: StoredQuery, name: str, told: QueryVariable | None, kind: Variable, in_path: set[str]) -> Input:
    written = told.name if told and told.name else name
    place: Place = "path" if written in in_path else "query" if spec.method in WITHOUT_BODY else "body"
    if told and told.from_:
        place = told.from_
    if (place == "path") != (written in in_path):
        raise OfferMistake(f"{spec.path} {'has no' if place == 'path' else 'names'} {{{written}}}", "variables", name)
    if place == "body" and spec.method in WITHOUT_BODY:
        raise OfferMistake(f"{spec.method} has no body", "variables", name)
    if place == "path" and kind.many:
        raise OfferMistake(f"${name} is a list, so it cannot stand in the path", "path")
    if place != "body" and kind.json == "any":
        raise OfferMistake(f"${name} is an object: only a body can bring it", "variables", name)
    schema = _bounded(name, told, kind)
    default = told.default if told else None
    if place == "body":
        if kind.many:
            schema = {"type": "array", "items": schema}
        schema = nullable(schema) if kind.nullable and schema else schema
        return Input(written, name, place, schema, "any", kind.required, default=default)
    return Input(written, name, place, schema, kind.json, kind.required or place == "path", kind.many, default)


def _bounded(name: str, told: QueryVariable | None, kind: Variable) -> Schema:
    """The type of one value with the configuration's bounds."""
    schema: dict[str, Any] = dict(kind.schema)
    if told is None:
        return schema
    bounds = {"minimum": told.min, "maximum": told.max, "maxLength": told.max_length}
    for key, value in bounds.items():
        if value is None:
            continue
        if (kind.json == "string") != (key == "maxLength") or kind.json not in ("string", "integer", "number"):
            raise OfferMistake(f"${name} is no {'text' if key == 'maxLength' else 'number'}", "variables", name)
        schema[key] = int(value) if kind.json != "number" and value == int(value) else value
    if misfit(schema, told.default):
        raise OfferMistake(f"the default is {misfit(schema, told.default)}", "variables", name, "default")
    return schema


def misfit(schema: Schema, value: Any) -> str:
    """Which bound a value breaks, or ""; a list is judged item by item."""
    if isinstance(value, list):
        return next((told for told in (misfit(schema.get("items", schema), one) for one in value) if told), "")
    if isinstance(value, int | float) and not isinstance(value, bool):
        if value < schema.get("minimum", value):
            return f"less than {schema['minimum']}"
        if value > schema.get("maximum", value):
            return f"more than {schema['maximum']}"
    if isinstance(value, str) and len(value) > schema.get("maxLength", len(value)):
        return f"longer than {schema['maxLength']} characters"
    return ""


def _check_default(schema: GraphQLSchema, node: VariableDefinitionNode, told: QueryVariable | None) -> None:
    if told is not None and told.default is not None:
        name = node.variable.name.value
        found = get_variable_values(schema, [node], {name: told.default}, max_errors=1)
        if isinstance(found, list):
            raise OfferMistake(found[0].message, "variables", name, "default")
