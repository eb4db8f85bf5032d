"""Operations of a WSDL, as they are offered by REST.

The problem: a contract says what an operation takes, not where in an HTTP request it stands. The rule: what the path
names comes from the path; the rest comes by the query where the method has no body, and is the JSON body where it has
one (the rule of gRPC's HTTP annotations, google.api.http).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from gateway.spec.contract import Contract, Operation, read_contract
from gateway.spec.rest_offer import WITHOUT_BODY, Input, Offer, OfferMistake, Schema, follow, nullable, read_template
from gateway.spec.xsd import Complex, Field, Types
from gateway.spec.xsd_schema import Schemas
from gateway.spec.xsd_simple import Simple

if TYPE_CHECKING:
    from gateway.spec.mediation import FaultRule, RestOperation, SoapToRest

Wrong = list[tuple[tuple[str | int, ...], str]]
_STANDARD: Final = (400, 502)
"""What faults become that no rule names."""


@dataclass(frozen=True)
class SoapOperation:
    """What an operation is on the SOAP side."""

    operation: Operation
    request: Field
    answer: Field
    contract: Contract


def offer_operations(spec: SoapToRest) -> tuple[list[Offer], dict[str, Schema], Wrong]:
    """What is offered, the types that it shares, and what is wrong: where, and a sentence."""
    try:
        contract = read_contract(spec.wsdl)
    except ValueError as error:
        return [], {}, [(("wsdl",), str(error))]
    types, schemas = Types(contract.schemas), Schemas()
    failures = tuple(sorted({one.status for one in spec.faults if one.status} | set(_STANDARD)))
    offers: list[Offer] = []
    wrong: Wrong = []
    for index, one in enumerate(spec.operations):
        try:
            offers.append(_offer(one, contract, types, schemas, failures))
        except OfferMistake as error:
            wrong.append((("operations", index, *error.place), str(error)))
        except (ValueError, RecursionError) as error:
            wrong.append((("operations", index, "name"), f"{one.name}: {error}"))
    for index, rule in enumerate(spec.faults):
        wrong += ((("faults", index, *place), message) for place, message in _rule_mistakes(rule, contract, types))
    return offers, schemas.components, wrong


def _offer(spec: RestOperation, contract: Contract, types: Types, schemas: Schemas, failures: tuple[int, ...]) -> Offer:
    operation = contract.operations.get(spec.name)
    if operation is None:
        known = ", ".join(contract.operations)
        raise OfferMistake(f'the contract has no operation "{spec.name}"; it has {known}', "name")
    if not operation.answer:
        raise OfferMistake(f"{spec.name} has no answer in the contract, so there is nothing to tell the client", "name")
    request, answer = types.element(operation.element), types.element(operation.answer)
    if not isinstance(request.type, Complex) or not isinstance(answer.type, Complex):
        raise OfferMistake(f"{spec.name} takes or answers a single text, not elements", "name")
    selected, optional = follow(schemas.object(answer.type), spec.steps, schemas.components)
    if optional and spec.absent == "null":
        selected = nullable(selected)
    behind = SoapOperation(operation, request, answer, contract)
    return Offer(
        spec.name, spec.method, read_template(spec.path), tuple(_inputs(spec, request.type, schemas)), selected,
        spec.steps, spec.absent, spec.scopes, spec.status, failures, behind,
    )  # fmt: skip


def _inputs(spec: RestOperation, request: Complex, schemas: Schemas) -> Iterator[Input]:
    named = read_template(spec.path).names
    for name in (*sorted(named), *spec.query):
        if name not in request.fields:
            where = "path" if name in named else "query"
            raise OfferMistake(f'{spec.name} takes no "{name}"; it takes {", ".join(request.fields)}', where)
    if spec.method in WITHOUT_BODY and spec.query:
        raise OfferMistake(f"{spec.method} has no body: all that the path does not name comes by the query", "query")
    for name, one in request.fields.items():
        if name in named:
            if isinstance(one.type, Complex) or one.many or one.type.item is not None:
                raise OfferMistake(f'"{name}" is no single value, so it cannot stand in the path', "path")
            yield _input(one, "path", schemas, required=True)
        elif spec.method in WITHOUT_BODY or name in spec.query:
            if isinstance(one.type, Complex) or (one.type.item is not None and one.many):
                raise OfferMistake(
                    f'"{name}" is an object: only a body can bring it, so use POST, PUT or PATCH', "method"
                )
            yield _input(one, "query", schemas, one.required)
        else:
            yield _input(one, "body", schemas, one.required)


def _input(one: Field, place: Any, schemas: Schemas, required: bool) -> Input:
    if place == "body":
        return Input(one.name, one.name, place, schemas.field(one), "any", required)
    assert isinstance(one.type, Simple)
    item = one.type.item or one.type
    schema = schemas.simple(item)
    return Input(one.name, one.name, place, schema, item.json, required, one.many or one.type.item is not None)


def _rule_mistakes(rule: FaultRule, contract: Contract, types: Types) -> Iterator[tuple[tuple[str, ...], str]]:
    if rule.code is None and rule.detail is None:
        yield (), "fits every fault: name a code, a detail element, or both"
    if (rule.status is None) == (rule.status_from is None):
        yield (), "says either status, or statusFrom"
    if rule.detail is None:
        parts = {"statusFrom": rule.status_from, "reasonFrom": rule.reason_from}
        yield from (
            ((key,), "is a part of the detail element: name it in detail") for key, part in parts.items() if part
        )
        return
    declared = {name.rpartition("}")[2]: name for one in contract.operations.values() for name in one.faults}
    if rule.detail not in declared:
        yield ("detail",), f"the contract declares no fault {rule.detail}; it has {', '.join(declared) or 'none'}"
        return
    try:
        kind = types.element(declared[rule.detail]).type
    except ValueError as error:
        yield ("detail",), str(error)
        return
    for key, name, wanted in (("statusFrom", rule.status_from, "integer"), ("reasonFrom", rule.reason_from, "string")):
        part = kind.fields.get(name) if name and isinstance(kind, Complex) else None
        if name and (part is None or part.many or getattr(part.type, "json", "") != wanted):
            yield (key,), f"{rule.detail} has no single {name} of type {wanted}"
