"""Answers held to an OpenAPI document.

The problem: a service that was changed, or taken over, answers in another way than anybody agreed on: another status,
a stack trace, fields that are nobody's business (OWASP API3:2023, API10:2023). The rule: status, header fields, media
type and body must be ones that the document names for this operation; where it names no content there is no body.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from gateway.filters.openapi_api import Answer, Operation
from gateway.filters.openapi_body import Body, Misfit, Read, Reader, is_json, media_type, misfit_of
from gateway.filters.openapi_parameters import ABSENT, Parameter
from gateway.filters.openapi_values import Unreadable
from gateway.http.messages import Flaw, Response
from gateway.observability.metrics import Metrics
from gateway.spec.validation import OpenApiValidation


class Note(Protocol):
    """Takes down what does not fit."""

    def __call__(self, direction: str, where: str, flaws: Sequence[Flaw], operation: str) -> None:
        """Count it, and write it down if there is room."""


class AnswerCheck:
    """Judges answers, and takes down what does not fit."""

    def __init__(self, spec: OpenApiValidation, metrics: Metrics, route: str, note: Note) -> None:
        strip = spec.response.unknown_fields == "strip"
        self._reader = Reader(spec.max_depth, other_types=True, strip=strip)
        self._stripped = metrics.stripped
        self._route = route
        self._note = note

    def must_see(self, operation: Operation, response: Response) -> bool:
        """Whether the body decides; what is described without a schema streams past."""
        answer = operation.answer(response.status)
        if answer is None or answer.content is None:
            return True
        kind = media_type(response.fields.get(b"content-type"))
        content = answer.content.of(kind) if kind else None
        readable = is_json(kind) or kind.startswith("text/")
        return bool(answer.headers) or content is None or (content.schema is not None and readable)

    def check(self, operation: Operation, response: Response, body: bytes) -> Read | None:
        """The body, or what does not fit; None: it fits, and nobody has read it."""
        found = self._judge(operation.answer(response.status), response, body)
        misfit = misfit_of(found)
        if misfit is not None:
            self._note("response", misfit.where, misfit.flaws, operation.name)
        if isinstance(found, Body) and found.unknown:
            self._stripped.add(self._route, amount=len(found.unknown))
        return found

    def _judge(self, answer: Answer | None, response: Response, body: bytes) -> Read | None:
        if answer is None:
            return Misfit("status", (Flaw(f"no answer {response.status} is described"),))
        flaws = [flaw for one in answer.headers for flaw in _header_flaws(one, response)]
        if flaws:
            return Misfit("headers", tuple(flaws))
        if answer.content is None:
            return Misfit("body", (Flaw("no content is described for this answer", "#"),)) if body else None
        return self._reader.read(body, response.fields.get(b"content-type"), answer.content)


class Watching:
    """Keeps a copy of an answer as it passes, up to a limit, and judges it at its end."""

    keeps_length = True

    def __init__(self, answers: AnswerCheck, operation: Operation, response: Response, limit: int) -> None:
        self._judge: Callable[[bytes], object] = lambda body: answers.check(operation, response, body)
        self._left = limit
        self._kept = bytearray()

    def feed(self, data: bytes) -> bytes:
        """Let it pass."""
        self._left -= len(data)
        if self._left >= 0:
            self._kept += data
        else:
            self._kept.clear()
        return data

    def end(self) -> bytes:
        """Judge what there was, if it was not too much."""
        if self._left >= 0:
            self._judge(bytes(self._kept))
        return b""


def _header_flaws(one: Parameter, response: Response) -> list[Flaw]:
    values = [value.decode("latin-1").strip() for name, value in response.headers if name == one.name.encode()]
    try:
        value = one.read_values(values)
    except Unreadable as problem:
        return [Flaw(str(problem), parameter=one.name, where="header")]
    if value is ABSENT:
        return [Flaw("is missing", parameter=one.name, where="header")] if one.required else []
    if one.schema.fits(value):
        return []
    return [Flaw(flaw.detail, parameter=one.name, where="header") for flaw in one.schema.flaws(value)]
