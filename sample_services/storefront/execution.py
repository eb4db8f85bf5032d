"""From the text of an operation to its answer, with every kind of failure in its place.

GraphQL knows two kinds. A *request error* (syntax, validation, a limit, wrong variables) means that nothing was
executed: the answer has `errors` and no `data` entry. A *field error* means that one part failed: the answer has
data, null for that part, and an error with its path. (https://spec.graphql.org/draft/#sec-Errors)

Every error carries `extensions.reason`, a stable code for programs. The text of an unexpected exception stays in
the log: clients see `internal_error` and nothing about the inside.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from http import HTTPStatus
from inspect import isawaitable
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    execute,
    get_operation_ast,
    validate,
)

from sample_services.kit.problems import Problem
from sample_services.kit.propagation import current_trace_id
from sample_services.storefront.context import Context
from sample_services.storefront.cost import check_cost
from sample_services.storefront.limits import Limits, parse_bounded
from sample_services.storefront.schema import attribute

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Operation:
    """What the client sent; `name` chooses among several operations in `query`."""

    query: str
    name: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """A GraphQL response, and the HTTP status for clients that understand one."""

    body: dict[str, Any]
    status: HTTPStatus = HTTPStatus.OK


class _RefusedError(Exception):
    """Request errors: nothing is executed."""

    def __init__(self, *errors: GraphQLError) -> None:
        super().__init__(str(errors[0]))
        self.errors = errors


async def answer(schema: GraphQLSchema, operation: Operation, context: Context, limits: Limits) -> Answer:
    """Executes `operation` within `limits`. Whatever the client sent and whatever fails, it answers."""
    try:
        document, chosen = _prepare(schema, operation, limits)
    except _RefusedError as refused:
        return request_error(*refused.errors)
    try:
        async with asyncio.timeout(limits.seconds):
            result = await _execute(schema, document, chosen, operation, context)
    except TimeoutError:
        late = error("deadline_exceeded", f"The operation took longer than {limits.seconds:g} s.")
        return request_error(late, status=HTTPStatus.GATEWAY_TIMEOUT)
    return _answer_of(result)


def _prepare(
    schema: GraphQLSchema, operation: Operation, limits: Limits
) -> tuple[DocumentNode, OperationDefinitionNode]:
    """Parsed, valid, and within the limits; each check is cheap because of the one before."""
    try:
        document = parse_bounded(operation.query, limits)
        if errors := validate(schema, document, max_errors=10):
            raise _RefusedError(*errors)
        chosen = get_operation_ast(document, operation.name)
        if chosen is None:
            raise error("operation_not_found", "Name one of the operations of the query in operationName.")
        check_cost(schema, document, chosen, operation.variables, limits)
    except GraphQLError as refusal:
        raise _RefusedError(refusal) from None
    return document, chosen


async def _execute(
    schema: GraphQLSchema,
    document: DocumentNode,
    chosen: OperationDefinitionNode,
    operation: Operation,
    context: Context,
) -> ExecutionResult:
    """One span for the operation; its name is the client's own word, so only an attribute, and bounded."""
    kind = chosen.operation.value
    attributes = {
        "graphql.operation.type": kind,
        "graphql.operation.name": chosen.name.value[:64] if chosen.name else "",
    }
    with context.telemetry.span(f"graphql {kind}", attributes=attributes):
        result = execute(
            schema,
            document,
            context_value=context,
            variable_values=operation.variables,
            operation_name=operation.name,
            field_resolver=attribute,
        )
        return await result if isawaitable(result) else result


def _answer_of(result: ExecutionResult) -> Answer:
    """An error without a path is a request error: wrong variables, found before any field was resolved."""
    errors = result.errors or []
    if result.data is None and not any(problem.path for problem in errors):
        return request_error(*errors, reason="invalid_variables")
    body: dict[str, Any] = {"data": result.data}
    if errors:
        body["errors"] = [_described(problem, "invalid_argument") for problem in errors]
    return Answer(body)


def error(reason: str, message: str) -> GraphQLError:
    """An error for clients to read: `message` for people, `reason` for programs."""
    return GraphQLError(message, extensions={"reason": reason})


def request_error(
    *errors: GraphQLError,
    reason: str = "graphql_validation_failed",
    status: HTTPStatus = HTTPStatus.BAD_REQUEST,
) -> Answer:
    """The answer when nothing was executed; `reason` stands for errors that do not tell their own."""
    return Answer({"errors": [_described(problem, reason) for problem in errors]}, status)


def _described(problem: GraphQLError, default_reason: str) -> dict[str, Any]:
    """An error as the client sees it: never the text of an exception that was not written for clients."""
    cause = problem.original_error
    described: dict[str, Any] = dict(problem.formatted)
    if isinstance(cause, Problem):
        described["message"] = cause.detail or cause.reason
        reason = cause.reason
    elif cause is None or isinstance(cause, GraphQLError):
        own = "graphql_syntax_error" if isinstance(problem, GraphQLSyntaxError) else default_reason
        reason = (problem.extensions or {}).get("reason", own)
    else:
        _log.error("a resolver failed", exc_info=cause, extra={"field": problem.path})
        described["message"] = "Something went wrong inside the storefront."
        reason = "internal_error"
    described["extensions"] = {"reason": reason, "trace_id": current_trace_id()}
    return described
