"""The configuration of the filters that read bodies: GraphQLGuard and SoapGuard.

The problem: one address carries a whole API in its bodies, so what may pass cannot be said by path and method. The
rule: every limit has a default that ordinary clients never meet, and files that belong to a guard (a contract, a
list of known queries) are read and checked when the configuration is, not when the first request comes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from gateway.spec.contract import Contract, read_contract
from gateway.spec.fields import File, Flag, Integer, spelled
from gateway.spec.graphql_files import read_persisted, read_schema
from gateway.spec.models import FilterSpec, Model

Mistakes = Iterator[tuple[tuple[str | int, ...], str]]

GraphQLName = Annotated[
    str, spelled(r"[_A-Za-z][_0-9A-Za-z]{0,127}", "a GraphQL name: letters, digits and _, no digit in front")
]
RootFieldName = Annotated[
    str,
    spelled(
        r"(Query|Mutation|Subscription)\.[_A-Za-z][_0-9A-Za-z]{0,127}",
        "a root field; write Query.me, Mutation.placeOrder, …",
    ),
]


class PersistedQueries(Model):
    """Queries that are known beforehand, by the SHA-256 of their text ("trusted documents")."""

    file: File
    """A JSON object: hexadecimal digest → text of the query."""
    mode: Literal["allow", "require"] = "allow"
    """`allow`: clients may send the digest in place of the text; `require`: nothing else passes."""


class RootField(Model):
    """What one field of the schema's root asks for, whatever an operation calls itself or the field."""

    field: RootFieldName
    scopes: tuple[str, ...] = ()
    """All of these must be in the verified token."""
    max: Integer | None = Field(None, gt=0)
    """How often one request may ask for it, under aliases and in a batch."""


class GraphQLGuard(FilterSpec):
    """Measure GraphQL operations before the service sees them (OWASP GraphQL Cheat Sheet; OWASP API4)."""

    type: Literal["GraphQLGuard"] = "GraphQLGuard"
    max_bytes: Integer = Field(65_536, gt=0, le=1_048_576)
    max_tokens: Integer = Field(1_000, gt=0, le=20_000)
    max_depth: Integer = Field(10, gt=0, le=100)
    max_fields: Integer = Field(250, gt=0)
    max_root_fields: Integer = Field(10, gt=0)
    max_aliases: Integer = Field(15, ge=0)
    max_directives: Integer = Field(10, ge=0)
    max_fragments: Integer = Field(20, ge=0)
    max_cost: Integer = Field(15_000, gt=0)
    list_arguments: tuple[GraphQLName, ...] = ("first", "last")
    """Arguments that say how long a list gets: what is asked of its items costs so many times as much."""
    max_batch: Integer = Field(1, gt=0, le=100)
    introspection: Flag = False
    schema_file: File | None = None
    """The service's schema (SDL): operations that do not fit are refused here, without the service's suggestions."""
    persisted: PersistedQueries | None = None
    root_fields: tuple[RootField, ...] = ()
    operations: tuple[GraphQLName, ...] = Field((), max_length=200)
    """Names that metrics tell apart, besides those of persisted queries; clients choose theirs freely."""
    cache_entries: Integer = Field(1_000, ge=0, le=100_000)

    @property
    def needs_claims(self) -> bool:
        """Whether it reads a verified token."""
        return any(one.scopes for one in self.root_fields)

    def files(self) -> tuple[str, ...]:
        """The schema and the list of persisted queries."""
        named = (self.schema_file, self.persisted.file if self.persisted else None)
        return tuple(file for file in named if file is not None)

    def mistakes(self) -> Mistakes:
        """Files that cannot be read, fields named twice, fields of which nothing is said."""
        try:
            if self.schema_file is not None:
                read_schema(self.schema_file)
        except ValueError as error:
            yield ("schemaFile",), str(error)
        try:
            if self.persisted is not None:
                read_persisted(self.persisted.file)
        except ValueError as error:
            yield ("persisted", "file"), str(error)
        for index, one in enumerate(self.root_fields):
            if not one.scopes and one.max is None:
                yield ("rootFields", index), f"says nothing about {one.field}: add scopes or max"
            if any(one.field == other.field for other in self.root_fields[:index]):
                yield ("rootFields", index, "field"), f"{one.field} is named twice"


class SoapOperation(Model):
    """What one operation of the contract asks for besides what the route does."""

    name: str = Field(min_length=1, max_length=200)
    scopes: tuple[str, ...] = ()
    """All of these must be in the verified token."""


class SoapGuard(FilterSpec):
    """Read SOAP 1.1 messages before the service does (OWASP XML Security and XXE Prevention Cheat Sheets)."""

    type: Literal["SoapGuard"] = "SoapGuard"
    max_bytes: Integer = Field(65_536, gt=0, le=1_048_576)
    max_depth: Integer = Field(32, gt=0, le=200)
    max_elements: Integer = Field(1_000, gt=0, le=100_000)
    max_attributes: Integer = Field(20, ge=0, le=1_000)
    """Of one element, namespace declarations included."""
    max_text: Integer = Field(10_000, gt=0)
    """Characters of one element's own text, and of one attribute's value."""
    wsdl: File | None = None
    """The contract (WSDL 1.1); none: messages are only measured."""
    validates: Flag = True
    """Whether bodies must fit the contract's types."""
    operations: tuple[SoapOperation, ...] = ()
    only_listed: Flag = False
    """Whether operations of the contract that `operations` does not name are refused."""

    @property
    def needs_claims(self) -> bool:
        """Whether it reads a verified token."""
        return any(one.scopes for one in self.operations)

    def files(self) -> tuple[str, ...]:
        """The contract, and what it imports and includes from files beside it."""
        if self.wsdl is None:
            return ()
        contract = self._contract()
        return contract.files if isinstance(contract, Contract) else (self.wsdl,)

    def mistakes(self) -> Mistakes:
        """A contract that cannot be read or does not say what this filter needs."""
        contract = self._contract() if self.wsdl is not None else None
        if isinstance(contract, ValueError):
            yield ("wsdl",), str(contract)
        if self.wsdl is None and (self.operations or self.only_listed):
            yield (), "operations are those of a contract: name its file in wsdl"
        for index, one in enumerate(self.operations):
            if isinstance(contract, Contract) and one.name not in contract.operations:
                known = ", ".join(contract.operations)
                yield ("operations", index, "name"), f'the contract has no operation "{one.name}"; it has {known}'
            if any(one.name == other.name for other in self.operations[:index]):
                yield ("operations", index, "name"), f'operation "{one.name}" is named twice'

    def offered(self) -> tuple[str, ...] | None:
        """The contract's operations; None where there is no contract that can be read."""
        contract = self._contract() if self.wsdl is not None else None
        return tuple(contract.operations) if isinstance(contract, Contract) else None

    def _contract(self) -> Contract | ValueError:
        try:
            return read_contract(self.wsdl or "", with_types=self.validates)
        except ValueError as error:
            return error
