"""What a GraphQL text asks for, counted."""

from __future__ import annotations

import time
from typing import Any

import pytest

from gateway.filters.graphql_document import Operation, measure, read
from gateway.filters.graphql_size import Unacceptable

ARGUMENTS = ("first", "last")


def one(text: str, **limits: Any) -> Operation:
    document = read(text, limits.get("tokens", 1_000))
    (operation,) = measure(document, limits.get("fragments", 20), ARGUMENTS)
    return operation


def cost(text: str, **variables: Any) -> int:
    operation = one(text)
    return operation.size.cost.value(variables, operation.defaults)


def refusal(text: str, **limits: Any) -> str:
    with pytest.raises(Unacceptable) as caught:
        one(text, **limits)
    return caught.value.reason


def counts(text: str) -> tuple[int, int, int, int]:
    size = one(text).size
    return size.depth, size.fields, size.aliases, size.directives


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{ a }", (1, 1, 0, 0)),
        ("{ a { b { c } } d }", (3, 4, 0, 0)),
        ("{ x: a y: a { z: b } }", (2, 3, 3, 0)),
        ("{ ...F ...F } fragment F on Query { x: a { b } }", (2, 4, 2, 0)),
        ("{ ... on Query { a { ... @skip(if: true) { b } } } }", (2, 2, 0, 1)),
        ("query @q { a @x @y ...F @z } fragment F on Query { b @w }", (1, 2, 0, 5)),
        ("{ __schema { types { fields { name } } } }", (1, 4, 0, 0)),
    ],
)
def test_counts_are_those_of_what_is_executed(text: str, expected: tuple[int, int, int, int]) -> None:
    assert counts(text) == expected


@pytest.mark.parametrize(
    ("text", "variables", "expected"),
    [
        ("{ a b }", {}, 2),
        # The example of the sample service's own cost model: 1 + 20·(1 + 1 + 1 + 5·1).
        ("{ products(first: 20) { nodes { name reviews(first: 5) { stars } } } }", {}, 161),
        ("query ($n: Int!) { a(first: $n) { b(first: $n) { c } } }", {"n": 10}, 1 + 10 * (1 + 10)),
        ("query ($n: Int = 7) { a(first: $n) { b } }", {}, 8),
        ("query ($n: Int = 7) { a(first: $n) { b } }", {"n": 2}, 3),
        ("query ($n: Int) { a(last: $n) { b } }", {"n": 5.0}, 6),
        ("query ($n: Int) { a(first: $n) { b } }", {"n": "5"}, 2),
        ("query ($n: Int) { a(first: $n) { b } }", {"n": -1000}, 2),
        ("query ($n: Int) { a(first: $n) { b } }", {"n": True}, 2),
        ("{ a(first: -1000) { b } }", {}, 2),
        ("{ a(first: 2, last: 5) { b } }", {}, 6),
        ("{ a(other: 100) { b } }", {}, 2),
        ("query ($n: Int) { ...F x: a { ...F } } fragment F on Q { l(first: $n) { b } }", {"n": 3}, 4 + 1 + 4),
    ],
)
def test_cost(text: str, variables: dict[str, Any], expected: int) -> None:
    assert cost(text, **variables) == expected


def test_a_length_of_a_thousand_digits_is_only_too_large() -> None:
    assert cost("{ a(first: " + "9" * 1_000 + ") { b } }") > 10**8
    assert cost("query ($n: Int) { a(first: $n) { b } }", n=10**400) > 10**8


def test_fragments_that_double_each_other_are_measured_in_a_moment() -> None:
    chain = " ".join(f"fragment F{n} on Q {{ a(first: $n) {{ ...F{n + 1} }} ...F{n + 1} }}" for n in range(60))
    begun = time.perf_counter()
    found = one(f"query ($n: Int) {{ ...F0 }} {chain} fragment F60 on Q {{ x }}", tokens=2_000, fragments=61)
    assert found.size.fields == 2**61 - 1
    assert found.size.cost.value({"n": 1}, {}) == 2**61 - 1
    assert time.perf_counter() - begun < 20  # one by one it would take 2**60 steps


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "graphql_syntax"),
        ("{", "graphql_syntax"),
        ("{ a } }", "graphql_syntax"),
        ("{ ...F }", "graphql_invalid"),
        ("{ a } { b }", "graphql_invalid"),
        ("query A { a } query A { b }", "graphql_invalid"),
        ("query A { a } { b }", "graphql_invalid"),
        ("fragment F on Q { a }", "graphql_invalid"),
        ("{ ...F } fragment F on Q { a } fragment F on Q { b }", "graphql_invalid"),
        ("{ a } type X { b: Int }", "graphql_invalid"),
        ("{ ...F } fragment F on Q { ...F }", "graphql_circular_fragments"),
        ("{ ...F } fragment F on Q { a { ...G } } fragment G on Q { b { ...F } }", "graphql_circular_fragments"),
        ("{ a } fragment F on Q { ...G } fragment G on Q { ...F }", "graphql_circular_fragments"),
        ("{ " + "a " * 1_000 + "}", "graphql_too_many_tokens"),
        ("#\n" * 2_000 + "{ a }", "graphql_too_many_tokens"),
        ("{a" * 300 + "}" * 300, "graphql_too_deep"),
        ("{a" * 30_000, "graphql_too_deep"),
    ],
)
def test_what_is_no_operation(text: str, reason: str) -> None:
    assert refusal(text) == reason


def test_too_many_fragments() -> None:
    text = "{ a } " + " ".join(f"fragment F{n} on Q {{ a }}" for n in range(3))
    assert refusal(text, fragments=2) == "graphql_too_many_fragments"
    assert one(text, fragments=3).size.fields == 1


def test_a_long_chain_of_deep_fragments_is_refused_not_crashed() -> None:
    parts = [f"fragment F{n} on Q {{ {'a {' * 100} ...F{n + 1} {'}' * 100} }}" for n in range(30)]
    text = "{ ...F0 } " + " ".join(parts) + " fragment F30 on Q { x }"
    assert refusal(text, tokens=20_000, fragments=31) == "graphql_too_deep"


def test_operations_of_one_text_are_measured_apart() -> None:
    found = measure(read("query A { a } mutation B { b { ...F } } fragment F on Q { c }", 100), 9, ARGUMENTS)
    assert [(one.kind, one.name, one.size.fields, dict(one.size.roots)) for one in found] == [
        ("query", "A", 1, {"Query.a": 1}),
        ("mutation", "B", 2, {"Mutation.b": 1}),
    ]
