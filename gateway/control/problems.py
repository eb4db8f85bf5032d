"""Errors of the admin API, as `application/problem+json` (RFC 9457), made in one place.

The rule: a view raises Problem and says what happened and what to do; anything unexpected becomes a 500 that
tells the client nothing, and the log everything.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import web

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Problem(Exception):
    """An answer other than the one asked for; `reason` is a stable code that programs may compare."""

    def __init__(self, status: int, reason: str, detail: str = "", **extra: Any) -> None:
        super().__init__(detail or reason)
        self.status, self.reason, self.detail, self.extra = status, reason, detail, extra

    def response(self) -> web.Response:
        """The answer to send."""
        document = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "reason": self.reason,
            "detail": self.detail,
            **self.extra,
        }
        headers = {"WWW-Authenticate": 'Bearer realm="gatehouse admin"'} if self.status == 401 else None
        body = orjson.dumps(document)
        return web.Response(body=body, status=self.status, headers=headers, content_type="application/problem+json")


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every error of a view into problem+json."""
    try:
        return await handler(request)
    except Problem as problem:
        return problem.response()
    except web.HTTPException as error:
        return _from_aiohttp(error)
    except Exception:
        log.exception("admin request failed", extra={"path": request.path})
        return Problem(500, "internal_error", "see the control process's log").response()


def _from_aiohttp(error: web.HTTPException) -> web.StreamResponse:
    if error.status < 400:
        return error
    reason = {404: "not_found", 405: "method_not_allowed", 413: "body_too_large"}.get(error.status, "refused")
    answer = Problem(error.status, reason).response()
    if "Allow" in error.headers:
        answer.headers["Allow"] = error.headers["Allow"]
    return answer


def answer(document: Any, status: int = 200) -> web.Response:
    """A JSON answer."""
    return web.Response(body=orjson.dumps(document), status=status, content_type="application/json")
