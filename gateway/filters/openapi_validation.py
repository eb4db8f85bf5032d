"""OpenApiValidation: requests and answers are held to the document that describes them.

The problem: a document says what an API takes and gives, and nothing makes it true; so `?limit=1000000` goes in, so
does `"role": "admin"` (OWASP API3:2023, API4:2023), and out comes whatever the service has in its objects. The rule:
what is not described is refused, in the words of the document: the operation, its parameters, the body. The answer is
held to the same document; one that does not fit is reported, or replaced, and then nothing of it reaches the client.

Reports count and log, and change nothing: an answer that is only reported about streams past as it comes.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from gateway.filters.answers import Stream, ask_plain, is_encoded
from gateway.filters.base import Build, Decision, Filter, Verdict
from gateway.filters.openapi_answers import AnswerCheck, Watching
from gateway.filters.openapi_api import Operation, Want, api_of
from gateway.filters.openapi_body import Body, Misfit, Reader, misfit_of
from gateway.filters.openapi_parameters import ABSENT, Parameter, Sent
from gateway.filters.openapi_values import Unreadable
from gateway.filters.schema_flaws import MOST, quoted
from gateway.http.messages import Flaw, Reply, Request, Response
from gateway.spec.validation import OpenApiValidation

log = logging.getLogger("gateway.filters")

LOG_EVERY: Final = 1.0
"""Seconds: how often a filter's reports are written; the counter has all of them."""
_DIGESTS: Final = frozenset((b"content-digest", b"repr-digest", b"content-md5"))
"""What a service says of its bytes (RFC 9530), which is not true of others."""
_ANSWER_INVALID: Final = "the service's answer is not what its description says"


class Asked(NamedTuple):
    """The operation that a request asks for, and what its head holds."""

    operation: Operation
    sent: Sent


class OpenApiValidationFilter(Filter[OpenApiValidation]):
    """Lets pass what the document describes."""

    Spec = OpenApiValidation

    def __init__(self, spec: OpenApiValidation, build: Build) -> None:
        super().__init__(spec, build)
        if not spec.contract:
            raise ValueError(f"{spec.document} was not read")
        self._api = api_of(spec.contract, Want(spec.strict, strip=spec.response.unknown_fields == "strip"))
        base = self._api.base if spec.base_path is None else spec.base_path
        self._base = base.rstrip("/")
        self._route, self._clock, self._last_log = build.route, build.clock, -LOG_EVERY
        self._misfits, self._passed = build.metrics.misfits, build.metrics.operations
        self._reader = Reader(spec.max_depth, other_types=spec.request.other_types == "pass", strip=False)
        self.body_limit = 0 if spec.request.body == "off" else spec.request.max_bytes
        strip = spec.response.unknown_fields == "strip"
        self._answers = (
            AnswerCheck(spec, build.metrics, build.route, self.note) if spec.response.mode != "off" else None
        )
        self._holds = spec.response.mode == "enforce" or (strip and spec.response.mode == "report")
        self.answer_limit = spec.response.max_bytes if self._holds else 0

    # -- requests ----------------------------------------------------------------------------------------------

    def decide(self, request: Request) -> Decision:
        """Pass, or what does not fit; what is only reported is counted here."""
        reply: Verdict = None
        for where, mode, found in self._judge(request):
            self.note("request", where, found.errors, _name(request))
            if mode == "enforce":
                reply = found
                break
        if reply is None and request.documented is not None and self._answers is not None and not self._holds:
            ask_plain(request)  # to be read in passing it must not come compressed
        return reply

    def preview(self, request: Request) -> Decision:
        """The same, uncounted."""
        return next((found for _, mode, found in self._judge(request) if mode == "enforce"), None)

    def _judge(self, request: Request) -> Iterator[tuple[str, str, Reply]]:
        """Everything that does not fit, the first of its kind: where, how serious, and what to say."""
        asked = self._find(request)
        if isinstance(asked, Reply):
            if self.spec.undocumented != "off":
                yield "operation", self.spec.undocumented, asked
            return
        request.documented = asked
        request.operations = (("openapi", asked.operation.name),)
        rules = self.spec.request
        if rules.parameters != "off":
            flaws = list(self._parameters(asked))
            if flaws:
                yield (
                    "parameters",
                    rules.parameters,
                    Reply(400, "parameter_invalid", _summary(flaws), errors=tuple(flaws[:MOST])),
                )
        misfit = self._body(request, asked.operation) if rules.body != "off" else None
        if misfit is not None and misfit.where == "content_type":
            accept = ", ".join(asked.operation.body.kinds if asked.operation.body else ())
            fields = ((b"accept", accept.encode("latin-1", "replace")),)  # RFC 9110 section 12.5.1
            detail = _summary(misfit.flaws)
            yield (
                "content_type",
                rules.body,
                Reply(415, "content_type_undocumented", detail, fields, errors=misfit.flaws),
            )
        elif misfit is not None:
            yield "body", rules.body, Reply(400, "body_invalid", _summary(misfit.flaws), errors=misfit.flaws[:MOST])

    def _find(self, request: Request) -> Asked | Reply:
        """The operation, by the path as the service will see it: after a URLRewrite that stands before this filter."""
        path = request.target_path
        inside = path.startswith(f"{self._base}/")
        found = self._api.paths.find(path[len(self._base) :]) if inside else None
        if found is None:
            return Reply(404, "operation_undocumented", "this path is not in the description of this API")
        methods = self._api.operations[found.template]
        operation = methods.get(request.method) or (methods.get("GET") if request.method == "HEAD" else None)
        if operation is None:
            allowed = ", ".join((*methods, *(("HEAD",) if "GET" in methods and "HEAD" not in methods else ())))
            fields = ((b"allow", allowed.encode()),)
            return Reply(405, "operation_undocumented", f"described for this path are: {allowed}", fields)
        return Asked(operation, Sent(request, found.values))

    def _parameters(self, asked: Asked) -> Iterator[Flaw]:
        sent, operation = asked.sent, asked.operation
        if sent.unreadable:
            yield Flaw(sent.unreadable, where="query")
        for one in operation.parameters:
            yield from _parameter_flaws(one, sent)
        if self.spec.request.unknown_parameters == "refuse":
            for name in sent.query:
                if name not in operation.query_names and not name.startswith(operation.query_prefixes):
                    yield Flaw("there is no such parameter", parameter=quoted(name), where="query")

    def _body(self, request: Request, operation: Operation) -> Misfit | None:
        body = request.body or b""
        if not body:
            return Misfit("body", (Flaw("the body is missing", "#"),)) if operation.body_required else None
        if operation.body is None:
            return Misfit("body", (Flaw("this operation takes no body", "#"),))
        return misfit_of(self._reader.read(body, request.fields.get(b"content-type"), operation.body))

    def commit(self, request: Request) -> None:
        """Count what passed."""
        for kind, name in request.operations:
            self._passed.add(self._route, kind, name)

    # -- answers -----------------------------------------------------------------------------------------------

    def _asked(self, request: Request) -> Operation | None:
        asked = request.documented
        return asked.operation if isinstance(asked, Asked) else None

    def wants_answer(self, request: Request, response: Response) -> bool:
        """Whether the document says anything of this answer's body, or this answer is not in the document."""
        operation = self._asked(request)
        if operation is None or self._answers is None:
            return False
        return self._answers.must_see(operation, response)

    def on_answer(self, request: Request, response: Response, body: bytes) -> bytes | Reply:
        """The answer, perhaps without some fields; or that it is not what the document says."""
        operation = self._asked(request)
        assert operation is not None
        assert self._answers is not None
        found = self._answers.check(operation, response, body)
        misfit = misfit_of(found)
        if misfit is not None and self.spec.response.mode == "enforce":
            return Reply(502, "answer_invalid", _ANSWER_INVALID, errors=misfit.flaws[:MOST])
        if isinstance(found, Body) and found.unknown:
            if not _DIGESTS.isdisjoint(response.fields):
                response.replace_headers([field for field in response.headers if field[0] not in _DIGESTS])
            return json.dumps(found.value, ensure_ascii=False, separators=(",", ":")).encode()
        return body

    def stream(self, request: Request, response: Response) -> Stream | None:
        """In report mode: look at the answer as it passes."""
        operation = None if self._holds else self._asked(request)
        if operation is None or self._answers is None or is_encoded(response):
            return None
        if not self._answers.must_see(operation, response):
            return None
        return Watching(self._answers, operation, response, self.spec.response.max_bytes)

    # -- what is told ------------------------------------------------------------------------------------------

    def note(self, direction: str, where: str, flaws: Sequence[Flaw], operation: str) -> None:
        """Count a misfit, and write it down if none was written just now."""
        self._misfits.add(self._route, direction, where)
        now = self._clock()
        if now - self._last_log >= LOG_EVERY:
            self._last_log = now
            told = "; ".join(_told(one) for one in flaws[:3])
            log.warning("%s of %s does not fit %s (%s): %s", direction, operation, self.spec.document, self.where, told)

    def explain(self, request: Request, reply: Verdict) -> str:
        """Which operation it is, and what was looked at or is wrong."""
        name = _name(request)
        if reply is not None:
            wrong = "; ".join(_told(one) for one in reply.errors) or reply.detail
            return f"{name}: {wrong}"
        operation = self._asked(request)
        if operation is None:
            return "not in the document; it passes unseen"
        count = len(operation.parameters)
        return f"{name}: {count} parameter{'s' * (count != 1)}" + (
            f", body of {len(request.body)} bytes" if request.body else ""
        )


def _name(request: Request) -> str:
    asked = request.documented
    return asked.operation.name if isinstance(asked, Asked) else "an undocumented operation"


def _parameter_flaws(one: Parameter, sent: Sent) -> Iterator[Flaw]:
    try:
        value = one.read(sent)
    except Unreadable as problem:
        yield Flaw(str(problem), parameter=one.name, where=one.where)
        return
    if value is ABSENT:
        if one.required:
            yield Flaw("is missing", parameter=one.name, where=one.where)
    elif not one.schema.fits(value):
        for flaw in one.schema.flaws(value):
            yield Flaw(flaw.detail, flaw.pointer if flaw.pointer != "#" else "", one.name, one.where)


def _summary(flaws: Sequence[Flaw]) -> str:
    more = f" (and {len(flaws) - 1} more)" if len(flaws) > 1 else ""
    return f"{_told(flaws[0])}{more}"


def _told(flaw: Flaw) -> str:
    place = f"{flaw.where} parameter {flaw.parameter}" if flaw.parameter else flaw.where
    pointer = flaw.pointer if flaw.pointer != "#" else ""
    return " ".join(part for part in (place, pointer) if part) + (": " if place or pointer else "") + flaw.detail
