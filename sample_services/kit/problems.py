"""Errors that a caller can act on: RFC 9457 problem+json.

The problem: an error without a stable name can only be matched by its prose, and an unexpected one leaks how
the service works. The rule: whoever refuses raises `Problem` with a `reason` that never changes; everything
else becomes `internal_error` and tells the caller nothing but the trace id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, ClassVar

from aiohttp import web


class Problem(Exception):
    """A refusal with a status, a stable `reason` and, if it is safe to tell, a `detail`.

    `extra` members go into the document; `headers` go onto the response. A protocol with an error format of its
    own (OAuth 2) subclasses it with another `document` and `content_type`.
    """

    content_type: ClassVar[str] = "application/problem+json"

    def __init__(
        self,
        status: int,
        reason: str,
        detail: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(f"{status} {reason}: {detail}")
        self.status = status
        self.reason = reason
        self.detail = detail
        self.headers = dict(headers or {})
        self.extra = extra

    def document(self, trace_id: str) -> dict[str, Any]:
        """The problem document (RFC 9457 section 3); `about:blank` says that the title is the status' own."""
        document: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "reason": self.reason,
            "trace_id": trace_id,
        }
        if self.detail:
            document["detail"] = self.detail
        return document | self.extra


def problem_response(problem: Problem, trace_id: str) -> web.Response:
    """The HTTP answer for a problem; never cached, since the cause may be gone a moment later."""
    return web.Response(
        status=problem.status,
        body=json.dumps(problem.document(trace_id)).encode(),
        content_type=problem.content_type,
        headers={"Cache-Control": "no-store"} | problem.headers,
    )


_REASONS = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "unsupported_media_type"}


def from_http_error(error: web.HTTPException) -> Problem:
    """What aiohttp itself refuses (no such path, wrong method, body too large) in the same form."""
    allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
    return Problem(error.status, _REASONS.get(error.status, "http_error"), headers=allow)
