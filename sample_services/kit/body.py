"""Request bodies: bounded, parsed, validated.

The problem: a body is the largest thing a stranger may hand us. The rule: its size is bounded before it is
parsed, and what is wrong is told by field path, never by repeating the value (it may be a password).
"""

from __future__ import annotations

from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from sample_services.kit.problems import Problem

MAX_BYTES = 1024 * 1024
_MAX_ERRORS_TOLD = 20

ModelT = TypeVar("ModelT", bound=BaseModel)


async def json_body(request: web.Request, model: type[ModelT], also: str = "") -> ModelT:
    """The request's JSON body as `model`, sent as application/json or as the media type `also`.

    Raises:
        Problem: 413 `too_large` (over 1 MiB), 415 `unsupported_media_type` or `unsupported_content_coding`,
            400 `malformed_json`, 422 `invalid_body` with `errors`: a list of
            `{"field": "items.0.quantity", "problem": "…"}`.
    """
    if request.content_type not in ("application/json", also):
        raise Problem(415, "unsupported_media_type", "send application/json")
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Problem(415, "unsupported_content_coding", "send it as it is", headers={"Accept-Encoding": "identity"})
    try:
        return model.model_validate_json(await read_bounded(request))
    except ValidationError as error:
        raise _refusal(error) from None


async def read_bounded(request: web.Request) -> bytes:
    """The raw body.

    Raises:
        Problem: 413 `too_large` when it has more than 1 MiB.
    """
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise Problem(413, "too_large", f"at most {MAX_BYTES} bytes") from None


def _refusal(error: ValidationError) -> Problem:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    if found[0]["type"] == "json_invalid":
        return Problem(400, "malformed_json", "the body is not JSON")
    errors = [{"field": ".".join(map(str, one["loc"])), "problem": one["msg"]} for one in found]
    return Problem(422, "invalid_body", "some fields are wrong", errors=errors[:_MAX_ERRORS_TOLD])
