"""Reading what people send to the admin API."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from gateway.control.problems import Problem

Form = TypeVar("Form", bound=BaseModel)
HeaderName = Annotated[str, StringConstraints(pattern=r"^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}$")]
HeaderValue = Annotated[str, StringConstraints(pattern=r"^[\t\x20-\x7e\x80-\xff]{0,8192}$")]


class ExplainBody(BaseModel):
    """The body of POST /explain."""

    model_config = ConfigDict(extra="forbid")

    method: str = Field("GET", pattern=r"^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}$")
    url: str = Field(pattern=r"^[\x21-\x7e]{1,8192}$")
    headers: list[tuple[HeaderName, HeaderValue]] | dict[HeaderName, HeaderValue] = Field(
        default_factory=list, max_length=100
    )
    body: str | None = Field(None, max_length=1_048_576)
    claims: dict[str, Any] | None = None
    client: str = Field("127.0.0.1", max_length=64)
    principals: list[Annotated[str, StringConstraints(min_length=1, max_length=2048)]] = Field(
        default_factory=list, max_length=16
    )
    """Names of the client's certificate; none for a client without one."""
    listener: str | None = None


async def json_object(request: web.Request) -> dict[str, Any]:
    """The body as a JSON object; an empty body is an empty one.

    Raises:
        Problem: 415 for another media type, 400 for anything else than an object.
    """
    body = await request.read()
    if not body:
        return {}
    if request.content_type != "application/json":
        raise Problem(415, "json_required", "send application/json")
    try:
        document = orjson.loads(body)
    except ValueError as error:
        raise Problem(400, "malformed_json", str(error)) from None
    if not isinstance(document, dict):
        raise Problem(400, "malformed_json", "the body must be an object")
    return document


async def body_of(request: web.Request, form: type[Form]) -> Form:
    """The body as an object of that form.

    Raises:
        Problem: as `json_object`; 422, with the fields that are wrong.
    """
    try:
        return form.model_validate(await json_object(request))
    except ValidationError as error:
        fields = [{"field": ".".join(map(str, one["loc"])), "error": one["msg"]} for one in error.errors()]
        told = "; ".join(f"{one['field']}: {one['error']}" for one in fields)
        raise Problem(422, "invalid_body", told, errors=fields) from None


def explain_request(document: dict[str, Any], listeners: list[dict[str, Any]]) -> dict[str, Any]:
    """A question to a worker: the URL split into a Host header and the target.

    The listener is the one named, else the one with the URL's port, else the first.

    Raises:
        Problem: 422, with the fields that are wrong.
    """
    try:
        body = ExplainBody.model_validate(document)
        parts = urlsplit(body.url)
        by_port = [one["name"] for one in listeners if one["port"] == parts.port]
    except ValidationError as error:
        fields = [{"field": ".".join(map(str, one["loc"])), "error": one["msg"]} for one in error.errors()]
        raise Problem(422, "invalid_body", "the question is not understood", errors=fields) from None
    except ValueError as error:
        raise Problem(422, "invalid_body", f"url: {error}") from None
    names = [one["name"] for one in listeners]
    if body.listener is not None and body.listener not in names:
        raise Problem(422, "invalid_body", f"listener: one of {', '.join(names)}")
    headers = list(body.headers.items()) if isinstance(body.headers, dict) else body.headers
    if parts.netloc and not any(name.lower() == "host" for name, _ in headers):
        headers = [("Host", parts.netloc), *headers]
    return {
        "method": body.method,
        "target": (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
        "headers": [list(pair) for pair in headers],
        "body": body.body,
        "claims": body.claims,
        "client": body.client,
        "principals": body.principals,
        "listener": body.listener or (by_port or names)[0],
    }


def number(request: web.Request, name: str, default: int, most: int) -> int:
    """A whole number from the query.

    Raises:
        Problem: 400, not a number between 1 and `most`.
    """
    text = request.query.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 8 and 1 <= int(text) <= most):
        raise Problem(400, "invalid_query", f"{name} must be a number from 1 to {most}")
    return int(text)
