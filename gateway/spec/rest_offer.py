"""What mediation offers as REST, whatever stands behind it: operations, what they take, what they answer.

The problem: routing, reading of parameters and the OpenAPI document must say the same, or the document lies. The rule:
one description of each operation, made when the configuration is read; requests are read by it and the document is
written from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from gateway.spec.templates import Template, compile_template

Schema = Mapping[str, Any]
"""A JSON Schema."""

WITHOUT_BODY: Final = frozenset({"GET", "DELETE"})
"""Methods whose requests bring everything by path and query (RFC 9110 sections 9.3.1 and 9.3.5)."""
REFERENCE: Final = "#/components/schemas/"


class OfferMistake(ValueError):
    """What is wrong with an operation: where in its configuration, and a sentence."""

    def __init__(self, message: str, *place: str | int) -> None:
        super().__init__(message)
        self.place = place


@dataclass(frozen=True)
class Input:
    """One value that a client gives."""

    name: str
    """As the client writes it."""
    target: str
    """The element or variable that gets it."""
    place: Literal["path", "query", "body"]
    schema: Schema
    """Of one value; of all of them where `many` is not set."""
    kind: str
    """The JSON type of one value: string, integer, number, boolean; another one comes by the body only."""
    required: bool = True
    many: bool = False
    default: Any = None


@dataclass(frozen=True)
class Offer:
    """One operation."""

    name: str
    method: str
    template: Template
    inputs: tuple[Input, ...]
    answer: Schema
    select: tuple[str, ...] = ()
    """The way to the part of the answer that the client gets."""
    absent: Literal["not_found", "null"] = "not_found"
    scopes: tuple[str, ...] = ()
    status: int = 200
    failures: tuple[int, ...] = ()
    """Statuses that its configuration names for what the service may refuse."""
    behind: Any = field(default=None, repr=False, compare=False)
    """What the mediating filter needs besides."""

    @property
    def body(self) -> tuple[Input, ...]:
        """What the JSON body holds."""
        return tuple(one for one in self.inputs if one.place == "body")


def read_template(path: str) -> Template:
    """The path of an operation.

    Raises:
        OfferMistake: it is no template, or one that OpenAPI has no words for.
    """
    if "{*" in path:
        raise OfferMistake("a part of an operation's path has a name: {username}", "path")
    try:
        return compile_template(path)
    except ValueError as error:
        raise OfferMistake(str(error), "path") from None


def follow(schema: Schema, steps: Iterable[str], components: Mapping[str, Schema]) -> tuple[Schema, bool]:
    """The part of an answer that `steps` lead to, and whether it may be null or absent.

    Raises:
        OfferMistake: they lead nowhere.
    """
    optional, walked = False, "the answer"
    for step in steps:
        schema, null = without_null(schema)
        optional = optional or null
        schema = components[schema["$ref"].removeprefix(REFERENCE)] if "$ref" in schema else schema
        members = schema.get("properties")
        if members is None:
            raise OfferMistake(f"{walked} is no object, so nothing in it can be selected", "select")
        if step not in members:
            raise OfferMistake(f'{walked} has no "{step}"; it has {", ".join(members)}', "select")
        optional = optional or step not in schema.get("required", ())
        schema, walked = members[step], step
    schema, null = without_null(schema)
    return schema, optional or null


def nullable(schema: Schema) -> Schema:
    """The same, or null (JSON Schema 2020-12)."""
    kind = schema.get("type")
    if isinstance(kind, str) and "enum" not in schema:
        return {**schema, "type": [kind, "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def without_null(schema: Schema) -> tuple[Schema, bool]:
    """What `nullable` was made of, and whether it was."""
    if isinstance(schema.get("type"), list):
        return {**schema, "type": schema["type"][0]}, True
    if "anyOf" in schema and {"type": "null"} in schema["anyOf"]:
        return schema["anyOf"][0], True
    return schema, False
