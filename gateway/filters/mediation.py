"""What both kinds of mediation have in common: a REST request is read, and an answer in another style comes back.

The problem: a mediator stands between a client and a service that trust each other's style, and each side may send
whatever it likes. The rule: nothing passes that was not understood. A request is read by what is offered, an answer by
what was promised; what does not fit is refused on its own side, 4xx for the client's, 502 for the service's, and a
refusal of the service becomes problem+json with a status of its own, told apart from the gateway's by its type.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import orjson

from gateway.filters.base import Build, Decision, Filter, Verdict
from gateway.filters.openapi import document
from gateway.filters.rest_request import NOT_ACCEPTABLE, Offers, Unfit, accepts_json, read_inputs
from gateway.filters.scopes import check_scopes
from gateway.http.messages import Headers, Reply, Request, Response
from gateway.http.status import TITLES
from gateway.spec.mediation import Mediation
from gateway.spec.rest_offer import Offer

M = TypeVar("M", bound=Mediation)

COMPLETE: Final = range(200, 206)
"""Statuses of answers that are what was asked for, and all of it (206 is a part)."""
PASSED_STATUSES: Final = frozenset((401, 403, 429, 503))
"""What a service may say by its status alone, without a body that fits."""
_OF_THE_CLIENT: Final = frozenset(
    (b"accept", b"accept-encoding", b"content-type", b"content-encoding", b"content-length", b"range", b"if-range")
)
_OF_THE_ANSWER: Final = frozenset(
    (
        b"content-type", b"content-length", b"content-encoding", b"content-location", b"content-md5", b"content-range",
        b"content-digest", b"repr-digest", b"digest", b"accept-ranges", b"location", b"transfer-encoding", b"trailer",
    )
)  # fmt: skip


@dataclass
class Mediated:
    """What is remembered of a request until its answer comes back."""

    offer: Offer
    told: str
    """What was made of it, for explanations."""
    problem: str = ""
    """Why the answer was refused; for the operator, not for clients."""


class BadAnswer(Exception):
    """The service's answer is not what it promised; the text is for the operator."""


@dataclass(frozen=True)
class Refusal:
    """The service refused: what the client gets."""

    status: int
    reason: str
    detail: str = ""


class MediationFilter(Filter[M]):
    """Reads requests by what is offered; what the service is sent and says is up to the derived class."""

    bad_answer: Reply
    """What clients get for an answer that is not what the service promised."""

    def __init__(self, spec: M, build: Build) -> None:
        super().__init__(spec, build)
        offers, types, wrong = spec.offers()
        if wrong:  # a file has changed since the configuration was checked
            raise ValueError(f"{self.where}: {wrong[0][1]}")
        self._protected = build.authenticated
        self._offers = Offers(offers)
        self._document = document(build.route or spec.type, offers, types, protected=build.authenticated)
        self._counted = build.metrics.operations
        self.body_limit = spec.max_bytes
        self.answer_limit = spec.max_answer_bytes

    def kept_with(self, build: Build) -> bool:
        """The document says whether a token is needed, which is up to the filters around."""
        return build.authenticated == self._protected

    # -- the request -----------------------------------------------------------------------------------------

    def decide(self, request: Request) -> Decision:
        """Say the request in the service's style, or what is wrong with it."""
        if request.path == self.spec.openapi and request.method in ("GET", "HEAD"):
            return Reply(200, "", headers=_DOCUMENT_FIELDS, body=self._document)
        try:
            found = self._offers.find(request.method, request.path)
            if isinstance(found, Reply):
                return found
            offer, in_path = found
            request.operations = (("rest", offer.name),)
            return check_scopes(request, offer.scopes, offer.name) or self._say(offer, request, in_path)
        except Unfit as problem:
            return Reply(400, "rest_invalid", _sayable(str(problem)))

    def _say(self, offer: Offer, request: Request, in_path: Mapping[str, str]) -> Verdict:
        if not accepts_json(request):
            return NOT_ACCEPTABLE
        inputs = read_inputs(offer, request, in_path)
        if isinstance(inputs, Reply):
            return inputs
        body, fields = self.message(offer, inputs)
        request.mediation = Mediated(offer, self._told(offer, inputs, len(body)))
        request.target_method, request.target_path, request.query = "POST", self.spec.endpoint, ""
        request.upgrade = False  # of a WebSocket nothing would be mediated
        request.replace_headers((*(one for one in request.headers if one[0] not in _OF_THE_CLIENT), *fields))
        request.replace_body(body)
        return None

    def _told(self, offer: Offer, inputs: Mapping[str, Any], size: int) -> str:
        places = {one.target: one.place for one in offer.inputs}
        taken = ", ".join(f"{name} from the {places[name]}" for name in inputs) or "nothing"
        return f"{offer.name}: takes {taken}; POST {self.spec.endpoint} with {size} bytes"

    def message(self, offer: Offer, inputs: dict[str, Any]) -> tuple[bytes, Headers]:
        """What the service is sent: body and header fields.

        Raises:
            Unfit: the values do not fit.
        """
        raise NotImplementedError

    def commit(self, request: Request) -> None:
        """Count what passed."""
        for kind, name in request.operations:
            self._counted.add(request.route.name if request.route else "", kind, name)

    # -- the answer ------------------------------------------------------------------------------------------

    def wants_answer(self, request: Request, response: Response) -> bool:
        """All but 304, which says that the client has it already."""
        return request.mediation is not None and not (response.status == 304 and request.method in ("GET", "HEAD"))

    def on_answer(self, request: Request, response: Response, body: bytes) -> bytes | Reply:
        """The answer as JSON, the service's refusal as a problem, or 502."""
        mediated: Mediated = request.mediation
        try:
            found = self.read_answer(mediated.offer, response, body)
        except BadAnswer as problem:
            if response.status not in PASSED_STATUSES:
                mediated.problem = _sayable(str(problem))[:300]
                return self.bad_answer
            found = Refusal(response.status, "service_refused")
        if isinstance(found, Refusal):
            return self._refused(request, response, found)
        value = selected(found, mediated.offer.select)
        if value is None and mediated.offer.select and mediated.offer.absent == "not_found":
            return self._refused(request, response, Refusal(404, "service_has_none", "there is no such thing"))
        response.status = mediated.offer.status
        if response.status == 204:
            response.replace_headers(_kept(response.headers))
            return b""
        return _with_body(response, b"application/json", orjson.dumps(value))

    def read_answer(self, offer: Offer, response: Response, body: bytes) -> Any:
        """What the service said, for orjson, or a Refusal; it may add header fields.

        Raises:
            BadAnswer: it is not what was promised.
        """
        raise NotImplementedError

    def _refused(self, request: Request, response: Response, refusal: Refusal) -> bytes:
        """The service's refusal: `about:blank`, as its own problems have it, since it was not the gateway's."""
        told = refusal.detail or ("the service refused this" if refusal.status < 500 else "the service failed")
        members = {
            "type": "about:blank",
            "title": TITLES.get(refusal.status, "Error"),
            "status": refusal.status,
            "detail": _sayable(told)[:300],
            "reason": refusal.reason,
        }
        response.status = refusal.status
        body = _with_body(response, b"application/problem+json", orjson.dumps(members))
        if b"cache-control" not in response.fields:
            response.replace_headers((*response.headers, (b"cache-control", b"no-store")))
        return body

    def explain(self, request: Request, reply: Verdict) -> str:
        """Which operation, and what was made of it; or what is wrong."""
        mediated = request.mediation
        if reply is None:
            return mediated.told if mediated is not None else ""
        if reply.reason == "":
            return "answers with its description"
        return f"{reply.detail}: {mediated.problem}" if mediated is not None and mediated.problem else reply.detail


_DOCUMENT_FIELDS: Final = ((b"content-type", b"application/json"), (b"cache-control", b"no-cache"))


def selected(value: Any, steps: Sequence[str]) -> Any:
    """The part of an answer that steps lead to; None where there is none."""
    for step in steps:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _kept(headers: Headers) -> list[tuple[bytes, bytes]]:
    return [one for one in headers if one[0] not in _OF_THE_ANSWER]


def _with_body(response: Response, content_type: bytes, body: bytes) -> bytes:
    """Exchange the fields that speak of the body; its length is told to HEAD too."""
    length = str(len(body)).encode()
    response.replace_headers((*_kept(response.headers), (b"content-type", content_type), (b"content-length", length)))
    return body


def _sayable(text: str) -> str:
    """A sentence that quotes others, without halves of characters that no answer can carry."""
    return text.encode("utf-8", "replace").decode()
