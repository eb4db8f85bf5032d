"""The cost of an operation is known before it runs, whatever way it is written."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import build_schema, execute_sync, get_introspection_query, get_operation_ast, parse, validate

from sample_services.storefront.cost import Size, check_cost
from sample_services.storefront.limits import LimitExceededError, Limits
from sample_services.storefront.schema import SDL

SCHEMA = build_schema(SDL)
PAGE = "{ products(first: 20) { nodes { name reviews(first: 5) { stars } } } }"


def size(text: str, limits: Limits | None = None, **variables: Any) -> Size:
    document = parse(text)
    assert validate(SCHEMA, document) == []
    operation = get_operation_ast(document)
    assert operation is not None
    return check_cost(SCHEMA, document, operation, variables, limits or Limits(cost=10**9))


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        ("{ __typename }", 1),
        (PAGE, 1 + 20 * (1 + 1 + 1 + 5 * 1)),
        ("{ products { nodes { name } } }", 1 + 10 * 2),  # `first` has a default of 10
        ("{ me { orders(first: 2) { items { quantity } } } }", 1 + 1 + 2 * (1 + 5 * 1)),  # items: assumed size
        ("{ a: me { username } b: me { username } }", 4),
        ("{ ... { products(first: 3) { __typename } } }", 1 + 3),
        ("{ ...f } fragment f on Query { products(first: 3) { __typename } }", 1 + 3),
        ("{ products(first: -1000) { nodes { name } } me { username } }", 1 + 1 * 2 + 2),  # no discount
    ],
)
def test_cost(text: str, cost: int) -> None:
    assert size(text).cost == cost


@pytest.mark.parametrize(
    ("variables", "length"), [({}, 7), ({"n": 3}, 3), ({"n": 3.0}, 3), ({"n": float("inf")}, 1), ({"n": "x"}, 1)]
)
def test_the_length_may_be_a_variable(variables: dict[str, Any], length: int) -> None:
    text = "query ($n: Int! = 7) { products(first: $n) { __typename } }"
    assert size(text, **variables).cost == 1 + length


def test_a_fragment_bomb_is_measured_in_linear_time() -> None:
    """Two to the power of sixty fields: only possible to count when no fragment is measured twice."""
    twice = "fragment f{0} on Product {{ reviews {{ a{0}: product {{ ...f{1} }} b{0}: product {{ ...f{1} }} }} }}"
    doubling = " ".join(twice.format(n, n + 1) for n in range(60))
    text = "{ product(id: 1) { ...f0 } } " + doubling + " fragment f60 on Product { name }"
    with pytest.raises(LimitExceededError):
        size(text, Limits(depth=1000))


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(depth=3), "query_too_deep"),
        (Limits(cost=160), "query_too_costly"),
        (Limits(root_fields=0), "query_too_wide"),
    ],
)
def test_each_limit_refuses_what_exceeds_it(limits: Limits, reason: str) -> None:
    assert size(PAGE, Limits(depth=4, cost=161, root_fields=1)) == Size(4, 161, 1)
    with pytest.raises(LimitExceededError) as refused:
        size(PAGE, limits)
    assert refused.value.extensions == {"reason": reason}


def values(answer: Any) -> int:
    """How many fields an answer holds."""
    if isinstance(answer, dict):
        return len(answer) + sum(map(values, answer.values()))
    return sum(map(values, answer)) if isinstance(answer, list) else 0


def test_introspection_fits_and_is_not_underestimated() -> None:
    query = get_introspection_query()
    cost = size(query, Limits()).cost
    assert values(execute_sync(SCHEMA, parse(query)).data) <= cost


def test_introspection_has_a_cost_so_that_aliases_cannot_multiply_it() -> None:
    many = "{ __schema {" + " ".join(f"a{n}: types {{ ...t }}" for n in range(15)) + "} }"
    bomb = many + " fragment t on __Type {" + " ".join(f"b{n}: fields {{ name }}" for n in range(15)) + "}"
    with pytest.raises(LimitExceededError):
        size(bomb, Limits())


def test_root_fields_count_through_fragments() -> None:
    text = "{ ...f ...f } fragment f on Query { a: me { username } b: me { username } }"
    assert size(text).width == 4


def test_an_ordinary_screen_stays_far_below_the_limits() -> None:
    screen = """{ me { profile { fullName city } orders(first: 20) { id status total items {
      quantity product { name price rating { average } reviews(first: 3) { author stars text } } } } } }"""
    assert size(screen, Limits()).cost < Limits().cost / 4 * 3
