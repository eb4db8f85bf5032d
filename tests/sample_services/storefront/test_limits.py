"""Each limit lets pass what reaches it and refuses what exceeds it by one."""

from __future__ import annotations

import pytest
from graphql import GraphQLError, GraphQLSyntaxError, get_introspection_query

from sample_services.storefront.limits import LimitExceededError, Limits, parse_bounded


def reason(text: str, limits: Limits) -> str | None:
    """The reason for which `text` is refused, or None."""
    try:
        parse_bounded(text, limits)
    except LimitExceededError as error:
        return str((error.extensions or {})["reason"])
    return None


@pytest.mark.parametrize(
    ("limits", "within", "beyond", "expected"),
    [
        (Limits(characters=5), "{a b}", "{a bc}", "query_too_long"),
        (Limits(tokens=4), "{a b}", "{a b c}", "query_too_large"),
        (Limits(digits=3), "{a(x:123)}", "{a(x:1234)}", "query_too_large"),
        (Limits(digits=3), "{a(x:1.5)}", "{a(x:1.55)}", "query_too_large"),
        (Limits(fields=2), "{a b}", "{a b c}", "query_too_large"),
        (Limits(nesting=3), "{a{b{c}}}", "{a{b{c{d}}}}", "query_too_deep"),
        (Limits(nesting=3), "{a(x:[1])}", "{a(x:[[1]])}", "query_too_deep"),
    ],
)
def test_each_limit_at_its_edge(limits: Limits, within: str, beyond: str, expected: str) -> None:
    assert reason(within, limits) is None
    assert reason(beyond, limits) == expected


def test_fields_count_inside_fragments_too() -> None:
    assert reason("{...f} fragment f on Query {a b c}", Limits(fields=2)) == "query_too_large"


@pytest.mark.parametrize("opening", ["{a", "[", "{a(x:[", "{a(x:{y:"])
def test_nesting_is_refused_before_the_recursive_parser_sees_it(opening: str) -> None:
    assert reason(opening * 300, Limits()) == "query_too_deep"


def test_the_standard_introspection_query_fits() -> None:
    assert reason(get_introspection_query(), Limits()) is None


@pytest.mark.parametrize("text", ["", "{", "}", "query", '{a(x:"\\u{110000}")}', '{a(x:"abc)}', "\x00", "{…}"])
def test_what_is_not_graphql_is_a_syntax_error(text: str) -> None:
    with pytest.raises(GraphQLSyntaxError):
        parse_bounded(text, Limits())


def test_the_message_tells_both_numbers() -> None:
    with pytest.raises(GraphQLError, match=r"of 6; the limit is 5"):
        parse_bounded("{a bc}", Limits(characters=5))
