"""GraphQLToRest: stored GraphQL queries, offered as REST operations.

The problem: a client that wants one fixed screen must speak GraphQL, and its POSTs are cached by nobody and look all
alike to limits, logs and rights. The rule: the query lies with the gateway, checked against the schema; the client
asks for it by method and path and brings only its variables, typed and bounded. GraphQL's answer of 200 with `errors`
becomes a status that tells the truth. (GraphQL over HTTP, section 6; GraphQL specification, section 7.1.)
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

import orjson

from gateway.filters.base import Build
from gateway.filters.mediation import COMPLETE, PASSED_STATUSES, BadAnswer, MediationFilter, Refusal, selected
from gateway.filters.rest_request import Unfit
from gateway.http.messages import Headers, Reply, Response
from gateway.spec.mediation import GraphQLToRest
from gateway.spec.rest_offer import Offer

_JSON: Final = re.compile(rb'application/(graphql-response\+)?json(?:\s*;\s*charset="?utf-8"?)?\s*', re.IGNORECASE)
_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")
_FIELDS: Final = (
    (b"content-type", b"application/json"),
    (b"accept", b"application/graphql-response+json, application/json;q=0.9"),
)


class GraphQLToRestFilter(MediationFilter[GraphQLToRest]):
    """Parameters in, a stored query out; the selected part of its data back."""

    Spec = GraphQLToRest
    bad_answer = Reply(502, "graphql_answer_invalid", "the service's answer is no answer to the query")

    def __init__(self, spec: GraphQLToRest, build: Build) -> None:
        super().__init__(spec, build)
        # Not at the top: graphql-core takes 16 MiB, which only gateways with such a filter should pay.
        from graphql.execution.values import get_variable_values

        from gateway.spec.graphql_offer import misfit

        self._values, self._misfit = get_variable_values, misfit
        self._rules = {one.code: one for one in reversed(spec.errors)}

    def message(self, offer: Offer, inputs: dict[str, Any]) -> tuple[bytes, Headers]:
        """The stored query with these variables."""
        behind = offer.behind
        variables = _plain(inputs)
        for one in offer.inputs:
            broken = self._misfit(one.schema, variables.get(one.target))
            if broken:
                raise Unfit(f'"{one.name}" is {broken}')
        if behind.variables:
            found = self._values(behind.schema, behind.variables, variables, max_errors=1, hide_suggestions=True)
            if isinstance(found, list):
                raise Unfit(_in_clients_words(found[0].message, offer)[:300])
        document = {"query": behind.text, "variables": variables}
        if behind.name:
            document["operationName"] = behind.name
        try:
            return orjson.dumps(document), _FIELDS
        except TypeError:  # half a character, or an integer beyond 64 bits in a custom scalar
            raise Unfit("a value has no form in JSON that every service reads") from None

    # -- the answer ------------------------------------------------------------------------------------------

    def read_answer(self, offer: Offer, response: Response, body: bytes) -> Any:
        """The data, or what became of the errors."""
        if not _JSON.fullmatch(response.fields.get(b"content-type", b"")):
            raise BadAnswer("it is not JSON in UTF-8")
        try:
            answer = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise BadAnswer(f"it is not JSON: {error.msg}") from None
        data, errors = (answer.get("data"), answer.get("errors")) if isinstance(answer, dict) else (None, None)
        if errors is not None and not _are_errors(errors):
            raise BadAnswer("its errors are no list of objects")
        if data is not None and not isinstance(data, dict):
            raise BadAnswer("its data is no object")
        if errors:
            return self._with_errors(offer, response, data, errors)
        if data is None or response.status not in COMPLETE:
            raise BadAnswer(f"status {response.status}, {'no data' if data is None else 'data'} and no errors")
        return data

    def _with_errors(self, offer: Offer, response: Response, data: Any, errors: list[dict[str, Any]]) -> Any:
        if offer.behind.partial == "pass" and selected(data, offer.select) is not None:
            fields = [one for one in response.headers if one[0] != b"cache-control"]
            told = ((b"x-partial-errors", str(len(errors)).encode()), (b"cache-control", b"no-store"))
            response.replace_headers((*fields, *told))
            return data
        for error in errors:
            extensions = error.get("extensions")
            code = extensions.get(self.spec.error_code) if isinstance(extensions, dict) else None
            rule = self._rules.get(code) if isinstance(code, str) else None
            if rule is not None:
                reason = rule.code if _CODE.fullmatch(rule.code) else "graphql_error"
                message = error.get("message")
                text = message if rule.show_text and isinstance(message, str) else ""
                return Refusal(rule.status, reason, " ".join(text.split()))
        status = response.status if response.status in PASSED_STATUSES else 502
        return Refusal(status, "graphql_error")


def _in_clients_words(message: str, offer: Offer) -> str:
    """The same sentence with the client's name of a parameter instead of the variable's."""
    for one in offer.inputs:
        message = message.replace(f"Variable '${one.target}'", f'"{one.name}"')
    return message


def _are_errors(errors: Any) -> bool:
    return isinstance(errors, list) and bool(errors) and all(isinstance(one, dict) for one in errors)


def _plain(value: Any) -> Any:
    """Decimals as floats, as GraphQL has them."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return {name: _plain(one) for name, one in value.items()} if isinstance(value, dict) else value
