"""Reading a REST request by the description of what is offered.

The problem: whatever a mediator overlooks in a request, the client believes was obeyed. The rule: a request says what
its operation takes and nothing else; an unknown parameter, a second value, a text where a number belongs are refused
with the name of the field.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final
from urllib.parse import parse_qsl

from gateway.filters.strict_json import JSON_TYPE, read_exact_json
from gateway.http.messages import Reply, Request
from gateway.spec.rest_offer import Input, Offer

MAX_PARAMETERS: Final = 200
"""Values in one query."""
_INTEGER: Final = re.compile(r"-?[0-9]{1,30}")
_NUMBER: Final = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?")

NOT_OFFERED: Final = Reply(404, "rest_not_offered", "no operation is offered at this path")
NOT_ACCEPTABLE: Final = Reply(406, "rest_not_acceptable", "answers are application/json, and Accept excludes that")
NOT_JSON: Final = Reply(415, "rest_not_json", "send the body as application/json, in UTF-8")


class Unfit(ValueError):
    """A request does not fit what the operation takes; a sentence that names the field."""


class Offers:
    """Operations, found by method and path."""

    def __init__(self, offers: Iterable[Offer]) -> None:
        self._offers = tuple(offers)

    def find(self, method: str, path: str) -> tuple[Offer, dict[str, str]] | Reply:
        """The operation and the values in its path, or 404, or 405 with what would have been allowed.

        Literal segments go before parameters, as OpenAPI 3.1 has it (Paths Object).

        Raises:
            Unfit: a value in the path is no UTF-8.
        """
        try:
            fitting = [(one, one.template.match(path)) for one in self._offers]
        except ValueError:
            raise Unfit("a part of the path is not UTF-8 when it is decoded") from None
        found = [(one, values) for one, values in fitting if values is not None]
        if not found:
            return NOT_OFFERED
        fewest = min(len(values) for _, values in found)
        found = [(one, values) for one, values in found if len(values) == fewest]
        wanted = "GET" if method == "HEAD" else method
        for one, values in found:
            if one.method == wanted:
                return one, values
        allowed = {one.method for one, _ in found}
        if "GET" in allowed:
            allowed.add("HEAD")
        listed = ", ".join(sorted(allowed))
        return Reply(405, "rest_method_not_offered", f"offered here: {listed}", ((b"allow", listed.encode()),))


def accepts_json(request: Request) -> bool:
    """Whether `Accept` allows application/json (RFC 9110 section 12.5.1): the most specific range counts."""
    best, allowed = -1, True
    for value in request.all(b"accept"):
        for part in value.decode("latin-1").lower().split(","):
            name, *parameters = (one.strip() for one in part.split(";"))
            if name in _RANGES and best <= _RANGES[name]:
                best, allowed = _RANGES[name], not any(_ZERO.fullmatch(one) for one in parameters)
            elif name and best < 0:
                best, allowed = -1, False
    return allowed


_RANGES: Final = {"*/*": 0, "application/*": 1, "application/json": 2}
_ZERO: Final = re.compile(r"q=0(\.0{0,3})?")


def read_inputs(offer: Offer, request: Request, in_path: Mapping[str, str]) -> dict[str, Any] | Reply:
    """What the client gives, by target; numbers with a fraction are decimals.

    Raises:
        Unfit: something is missing, unknown or of another type.
    """
    inputs = {one.name: one for one in offer.inputs if one.place == "path"}
    given = {inputs[name].target: _value(inputs[name], text) for name, text in in_path.items()}
    given |= _query(offer, request.query)
    body = _body(offer, request)
    return body if isinstance(body, Reply) else given | body


def _query(offer: Offer, query: str) -> dict[str, Any]:
    known = {one.name: one for one in offer.inputs if one.place == "query"}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
    except ValueError:
        raise Unfit(f"the query is not UTF-8, or has more than {MAX_PARAMETERS} values") from None
    given: dict[str, Any] = {}
    for name, text in pairs:
        one = known.get(name)
        if one is None:
            raise Unfit(f'the query has "{name[:100]}", which {offer.name} does not take')
        value = _value(one, text)
        if one.many:
            given.setdefault(one.target, []).append(value)
        elif one.target in given:
            raise Unfit(f'"{name}" stands twice in the query')
        else:
            given[one.target] = value
    return _complete(known, given)


def _body(offer: Offer, request: Request) -> dict[str, Any] | Reply:
    known = {one.name: one for one in offer.body}
    if not request.body:
        return _complete(known, {})
    if not known:
        raise Unfit(f"{offer.name} takes no body")
    if not JSON_TYPE.fullmatch(request.fields.get(b"content-type", b"")):
        return NOT_JSON
    try:
        value = read_exact_json(request.body)
    except ValueError as error:
        raise Unfit(str(error)) from None
    if not isinstance(value, dict):
        raise Unfit("the body is a JSON object")
    for name in value:
        if name not in known:
            raise Unfit(f'the body has "{name[:100]}", which {offer.name} does not take')
    return _complete(known, {known[name].target: one for name, one in value.items()})


def _complete(known: Mapping[str, Input], given: dict[str, Any]) -> dict[str, Any]:
    for one in known.values():
        if one.target not in given:
            if one.default is not None:
                given[one.target] = one.default
            elif one.required:
                raise Unfit(f'"{one.name}" is missing')
    return given


def _value(one: Input, text: str) -> Any:
    """A text of path or query as the JSON value that it says."""
    if one.kind == "integer" and _INTEGER.fullmatch(text):
        return int(text)
    if one.kind == "number" and _NUMBER.fullmatch(text):
        return Decimal(text)
    if one.kind == "boolean" and text in ("true", "false"):
        return text == "true"
    if one.kind == "string":
        return text
    raise Unfit(f'"{one.name}" is no {one.kind}')
