"""The configuration of mediation: SoapToRest and GraphQLToRest.

The problem: APIs are not all of one style, and clients should not have to learn every style behind a gateway. The
rule: an operation is offered by name, with its method and path; what it takes and answers is not written here a
second time but taken from the contract or schema, so that it cannot be wrong for long.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from gateway.spec.fields import AbsolutePath, File, Flag, Integer, spelled
from gateway.spec.guards import GraphQLName
from gateway.spec.models import FilterSpec, Model
from gateway.spec.rest_offer import Offer, OfferMistake, Schema

Mistakes = Iterator[tuple[tuple[str | int, ...], str]]
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
SelectPath = Annotated[
    str, Field(max_length=200), spelled(r"[^.\s]+(\.[^.\s]+)*", "a way into the answer, like products.nodes")
]
Failure = Annotated[Integer, Field(ge=400, le=599)]


class Offered(Model):
    """What every operation says that is offered as REST."""

    method: Method
    path: AbsolutePath
    """`{name}` stands for one segment."""
    scopes: tuple[str, ...] = ()
    """All of these must be in the verified token."""
    status: Integer = Field(200, ge=200, le=204)
    """Of its answers; 204 has no body."""
    select: SelectPath | None = None
    """The part of the answer that the client gets; none: all of it."""
    absent: Literal["not_found", "null"] = "not_found"
    """What the client gets when the selected part is null or absent."""

    @property
    def steps(self) -> tuple[str, ...]:
        """The way to the selected part."""
        return tuple(self.select.split(".")) if self.select else ()


class Mediation(FilterSpec):
    """What both kinds of mediation say."""

    endpoint: AbsolutePath
    """The path at the service."""
    openapi: AbsolutePath | None = None
    """Where the gateway answers with the OpenAPI document of what is offered."""
    max_bytes: Integer = Field(65_536, gt=0, le=1_048_576)
    """Of a request's JSON body."""
    max_answer_bytes: Integer = Field(262_144, gt=0, le=8_388_608)
    """Of the service's answer, which is read whole."""

    @property
    def offered(self) -> tuple[Offered, ...]:
        """Everything that is offered."""
        raise NotImplementedError

    @property
    def needs_claims(self) -> bool:
        """Whether it reads a verified token."""
        return any(one.scopes for one in self.offered)

    def offers(self) -> tuple[list[Offer], dict[str, Schema], list[tuple[tuple[str | int, ...], str]]]:
        """What is offered, the types that it shares, and what is wrong."""
        raise NotImplementedError

    def mistakes(self) -> Mistakes:
        """Everything that is wrong with it."""
        yield from self.offers()[2]
        key = self.offers_key
        if not self.offered:
            yield (key,), "offers nothing"
        for index, one in enumerate(self.offered):
            if any(
                (one.method, _shape(one.path)) == (other.method, _shape(other.path)) for other in self.offered[:index]
            ):
                yield (key, index, "path"), f"{one.method} {one.path} is offered already"
        if ("GET", self.openapi) in {(one.method, one.path) for one in self.offered}:
            yield ("openapi",), f"{self.openapi} belongs to an operation that is offered"

    @property
    def offers_key(self) -> str:
        """The key under which the operations stand."""
        raise NotImplementedError


def _shape(path: str) -> str:
    """A path without the names of its parameters."""
    return "/".join("{}" if part.startswith("{") else part for part in path.split("/"))


FaultCode = Annotated[
    str, Field(max_length=100), spelled(r"[A-Za-z_][A-Za-z0-9_.-]*", "a fault code; write Client, Server, …")
]


class FaultRule(Model):
    """Which status a fault becomes; the first rule that fits decides."""

    code: FaultCode | None = None
    """`Client` fits `Client.Authentication` too (SOAP 1.1 section 4.4.1)."""
    detail: str | None = Field(None, min_length=1, max_length=200)
    """The element in the fault's detail, without its namespace; one that the contract declares."""
    status: Failure | None = None
    status_from: str | None = Field(None, min_length=1, max_length=200)
    """A part of the detail element that is the status."""
    reason_from: str | None = Field(None, min_length=1, max_length=200)
    """A part of the detail element that is a stable code: it becomes `reason`."""
    show_text: Flag = False
    """Whether the fault's text was written for clients: it becomes `detail`."""


class RestOperation(Offered):
    """An operation of the contract."""

    name: str = Field(min_length=1, max_length=200)
    query: tuple[str, ...] = ()
    """What comes by the query though the method has a body."""


class SoapToRest(Mediation):
    """Offer operations of a SOAP 1.1 service (document/literal) as REST with JSON."""

    type: Literal["SoapToRest"] = "SoapToRest"
    wsdl: File
    operations: tuple[RestOperation, ...] = Field(max_length=200)
    faults: tuple[FaultRule, ...] = Field((), max_length=100)
    max_elements: Integer = Field(1_000, gt=0, le=100_000)
    """Of a message, in either direction."""
    max_depth: Integer = Field(32, gt=0, le=200)
    max_text: Integer = Field(10_000, gt=0)
    """Characters of one element of an answer."""

    @property
    def offered(self) -> tuple[Offered, ...]:
        """The operations."""
        return self.operations

    @property
    def offers_key(self) -> str:
        """The key under which the operations stand."""
        return "operations"

    def files(self) -> tuple[str, ...]:
        """The contract, and what it imports and includes from files beside it."""
        from gateway.spec.contract import read_contract

        try:
            return read_contract(self.wsdl, with_types=False).files
        except ValueError:
            return (self.wsdl,)

    def offers(self) -> tuple[list[Offer], dict[str, Schema], list[tuple[tuple[str | int, ...], str]]]:
        """What is offered, the types that it shares, and what is wrong."""
        from gateway.spec.soap_offer import offer_operations

        return offer_operations(self)


class QueryVariable(Model):
    """Where a variable of a stored query comes from, and its bounds."""

    from_: Literal["path", "query", "body"] | None = Field(None, alias="from")
    """None: the path where it names the variable, else the body for methods that have one, else the query."""
    name: str | None = Field(None, min_length=1, max_length=100)
    """As clients write it; none: as the query does."""
    default: Any = None
    min: float | None = None
    max: float | None = None
    max_length: Integer | None = Field(None, gt=0)
    """Characters of a text."""


class ErrorRule(Model):
    """Which status an error becomes; the first rule that fits decides."""

    code: str = Field(min_length=1, max_length=100)
    """The value of the member `errorCode` in the error's `extensions`."""
    status: Failure
    show_text: Flag = False
    """Whether the error's message was written for clients: it becomes `detail`."""


class StoredQuery(Offered):
    """A query that is offered as an operation."""

    query: File
    """GraphQL text, relative to the configuration."""
    operation: GraphQLName | None = None
    """Which operation of the text; none: the only one."""
    variables: dict[GraphQLName, QueryVariable] = Field(default_factory=dict)
    partial: Literal["refuse", "pass"] = "refuse"
    """What becomes of data that comes with errors."""


class GraphQLToRest(Mediation):
    """Offer stored GraphQL queries as REST with JSON."""

    type: Literal["GraphQLToRest"] = "GraphQLToRest"
    endpoint: AbsolutePath = "/graphql"
    schema_file: File
    """The service's schema (SDL)."""
    queries: tuple[StoredQuery, ...] = Field(max_length=200)
    error_code: GraphQLName = "code"
    """The member of an error's `extensions` that is its stable code (Apollo: `code`)."""
    errors: tuple[ErrorRule, ...] = Field((), max_length=100)

    @property
    def offered(self) -> tuple[Offered, ...]:
        """The queries."""
        return self.queries

    @property
    def offers_key(self) -> str:
        """The key under which the operations stand."""
        return "queries"

    def files(self) -> tuple[str, ...]:
        """The schema and the queries."""
        return (self.schema_file, *(one.query for one in self.queries))

    def offers(self) -> tuple[list[Offer], dict[str, Schema], list[tuple[tuple[str | int, ...], str]]]:
        """What is offered, the types that it shares, and what is wrong."""
        from gateway.spec.graphql_offer import offer_queries

        return offer_queries(self)


__all__ = [
    "ErrorRule",
    "FaultRule",
    "GraphQLToRest",
    "Mediation",
    "OfferMistake",
    "Offered",
    "QueryVariable",
    "RestOperation",
    "SoapToRest",
    "StoredQuery",
]
