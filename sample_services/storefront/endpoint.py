"""POST /graphql, as the GraphQL-over-HTTP specification wants it (https://graphql.github.io/graphql-over-http/draft).

A request that is no GraphQL request at all (not JSON, no `query`) is 400 whatever the client accepts. Every other
failure is a GraphQL answer with `errors`; its HTTP status tells the truth under `application/graphql-response+json`
and is 200 under `application/json`, where the specification wants that.

Reading the catalogue needs no token. A token that *is* sent has to be good: an expired one is 401, rather than an
answer in which the caller quietly became nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Annotated, Any

import orjson
from aiohttp import web
from graphql import GraphQLSchema
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from sample_services.kit.problems import Problem
from sample_services.kit.service import Service
from sample_services.storefront.context import Context
from sample_services.storefront.execution import Answer, Operation, answer, error, request_error
from sample_services.storefront.limits import Limits
from sample_services.storefront.negotiation import GRAPHQL, JSON, media_type

MAX_BODY = 64 * 1024
"""Bytes: several times the longest query with its variables."""


class GraphQLRequest(BaseModel):
    """The parameters of §5.1; `extensions` may be sent and mean nothing here."""

    model_config = ConfigDict(strict=True)

    query: Annotated[str, StringConstraints(min_length=1)]
    operationName: str | None = None  # noqa: N815 (the specification's spelling)
    variables: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None


class GraphQLEndpoint:
    """The handler of POST /graphql."""

    def __init__(self, service: Service, schema: GraphQLSchema, limits: Limits) -> None:
        self.service = service
        self.schema = schema
        self.limits = limits

    async def post(self, request: web.Request) -> web.Response:
        """Answers one operation."""
        accepted = media_type(",".join(request.headers.getall("Accept", [])))
        try:
            if accepted is None:
                raise Problem(406, "not_acceptable", f"This address answers with {GRAPHQL} or {JSON}.")
            operation = await _read(request)
            context = await self._context(request)
        except Problem as problem:
            return _refusal(problem, accepted or GRAPHQL)
        return _response(await answer(self.schema, operation, context, self.limits), accepted)

    async def _context(self, request: web.Request) -> Context:
        """The caller and fresh loaders: what one caller may see is never cached for the next."""
        claims = await self.service.auth.require(request) if "Authorization" in request.headers else None
        return Context(self.service, claims)


async def _read(request: web.Request) -> Operation:
    """The operation in the body.

    Raises:
        Problem: 415, 413, or 400 for a body that is no GraphQL request.
    """
    if request.content_type != JSON:
        raise Problem(415, "unsupported_media_type", "Send the query as application/json.")
    try:
        sent = GraphQLRequest.model_validate(orjson.loads(await _body(request)))
    except orjson.JSONDecodeError:
        raise Problem(400, "malformed_json", "The body is not JSON.") from None
    except ValidationError as wrong:
        fields = ", ".join(".".join(map(str, item["loc"])) or "body" for item in wrong.errors()[:5])
        raise Problem(400, "invalid_request", f"Not a GraphQL request; wrong or missing: {fields}.") from None
    return Operation(sent.query, sent.operationName or None, sent.variables or {})


async def _body(request: web.Request) -> bytes:
    """The whole body, counted while it arrives: a chunked one does not say its length."""
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > MAX_BODY:
            raise Problem(413, "body_too_large", f"A GraphQL request has at most {MAX_BODY} bytes.")
    return bytes(body)


def _response(result: Answer, accepted: str) -> web.Response:
    status = result.status if accepted == GRAPHQL else HTTPStatus.OK
    return _json(result.body, status, accepted, {})


def _refusal(problem: Problem, accepted: str) -> web.Response:
    """A problem of the HTTP request in GraphQL's form, with its own status under both media types."""
    body = request_error(error(problem.reason, problem.detail or problem.reason)).body
    return _json(body, problem.status, accepted, problem.headers)


def _json(body: object, status: int, media_type: str, headers: Mapping[str, str]) -> web.Response:
    fixed = {"Content-Type": f"{media_type}; charset=utf-8", "Cache-Control": "no-store"}
    return web.Response(body=orjson.dumps(body), status=status, headers={**headers, **fixed})
