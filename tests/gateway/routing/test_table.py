"""Precedence, by the examples of the Gateway API (HTTPRouteMatch, HTTPPathMatch, Hostname)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.routing.table import RouteTable
from gateway.spec.models import Match, PathMatch, Route, ValueMatch

MakeRoute = Callable[..., Route]
MakeTable = Callable[..., RouteTable[str]]


def target(table: RouteTable[str], path: str, asked: Any, host: str = "", method: str = "GET") -> str | None:
    entry = table.match(host, path, method, asked)
    return entry.target if entry else None


@pytest.mark.parametrize(
    ("prefix", "path", "matches"),
    [
        ("/v2", "/v2", True),
        ("/v2", "/v2/", True),
        ("/v2", "/v2/items", True),
        ("/v2", "/v2example", False),
        ("/v2", "/v", False),
        ("/v2/", "/v2", True),  # a trailing slash of a prefix is ignored
        ("/v2/", "/v2/items", True),
        ("/v2/items", "/v2", False),
        ("/v2", "/V2", False),  # paths are case-sensitive
        ("/", "/", True),
        ("/", "/anything/at/all", True),
        ("/", "*", False),  # OPTIONS *
        ("/", "", False),
    ],
)
def test_prefixes_are_whole_segments(
    prefix: str, path: str, matches: bool, route: MakeRoute, table_of: MakeTable, asked: Any
) -> None:
    assert (target(table_of(route("a", prefix)), path, asked()) == "a") is matches


def test_exact_is_exact(route: MakeRoute, table_of: MakeTable, asked: Any) -> None:
    table = table_of(route("a", "/v2", "Exact"))
    assert [target(table, path, asked()) for path in ("/v2", "/v2/", "/v2/x")] == ["a", None, None]


def test_path_precedence_does_not_depend_on_the_order_of_the_file(
    route: MakeRoute, table_of: MakeTable, asked: Any
) -> None:
    routes = [
        route("regex", "/[a-z]+/b", "RegularExpression"),
        route("short", "/a"),
        route("long", "/a/b"),
        route("exact", "/a/b", "Exact"),
    ]
    for order in (routes, routes[::-1]):
        table = table_of(*order)
        found = [target(table, path, asked()) for path in ("/a/b", "/a/b/c", "/a/c", "/x/b", "/x")]
        assert found == ["exact", "long", "short", "regex", None]


def test_a_longer_prefix_goes_before_a_method(route: MakeRoute, table_of: MakeTable, asked: Any) -> None:
    table = table_of(route("get", "/a", method="GET"), route("long", "/a/b"))
    assert target(table, "/a/b", asked()) == "long"


def test_the_next_candidate_serves_when_the_more_specific_one_does_not_match(
    route: MakeRoute, table_of: MakeTable, asked: Any
) -> None:
    table = table_of(route("post", "/a/b", "Exact", method="POST"), route("get", "/a", method="GET"))
    assert target(table, "/a/b", asked(), method="GET") == "get"
    assert target(table, "/a/b", asked(), method="POST") == "post"
    assert target(table, "/a/b", asked(), method="PUT") is None


def test_methods_headers_and_query_in_this_order(route: MakeRoute, table_of: MakeTable, asked: Any) -> None:
    header, other = ValueMatch(name="X-A", value="1"), ValueMatch(name="X-B", value="2")
    query = ValueMatch(name="q", value="1")
    table = table_of(
        route("plain", "/"),
        route("query", "/", query_params=(query,)),
        route("header", "/", headers=(header,)),
        route("headers", "/", headers=(header, other)),
        route("method", "/", method="POST"),
    )
    everything = asked({"x-a": "1", "x-b": "2"}, "q=1")
    assert target(table, "/", everything, method="POST") == "method"
    assert target(table, "/", everything) == "headers"
    assert target(table, "/", asked({"x-a": "1"}, "q=1")) == "header"
    assert target(table, "/", asked({"x-a": "2"}, "q=1")) == "query"
    assert target(table, "/", asked()) == "plain"


def test_first_in_the_file_breaks_ties(route: MakeRoute, table_of: MakeTable, asked: Any) -> None:
    assert target(table_of(route("one", "/a"), route("two", "/a")), "/a", asked()) == "one"


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("shop.example", "exact"),
        ("SHOP.example:8088", "exact"),
        ("shop.example.", "exact"),
        ("a.shop.example", "wildcard"),
        ("a.b.shop.example", "wildcard"),
        ("a.eu.shop.example", "longer"),
        ("eu.shop.example", "wildcard"),  # a wildcard stands for at least one label
        ("notshop.example", "any"),
        ("[::1]:8088", "any"),
        ("", "any"),
        ("a." * 5_000 + "shop.example", "any"),  # longer than a name can be
    ],
)
def test_hostnames(host: str, found: str, route: MakeRoute, table_of: MakeTable, asked: Any) -> None:
    table = table_of(
        route("any"),
        route("wildcard", hostnames=("*.shop.example",)),
        route("longer", hostnames=("*.eu.shop.example",)),
        route("exact", hostnames=("shop.example",)),
    )
    assert target(table, "/", asked(), host=host) == found


def test_hostname_goes_before_path_among_routes_that_match(route: MakeRoute, table_of: MakeTable, asked: Any) -> None:
    table = table_of(
        route("any-exact", "/a/b", "Exact"),
        route("host-short", "/a", hostnames=("shop.example",)),
    )
    assert target(table, "/a/b", asked(), host="shop.example") == "host-short"
    assert target(table, "/a/b", asked(), host="other.example") == "any-exact"
    assert target(table, "/x", asked(), host="shop.example") is None


def test_a_less_specific_host_serves_what_the_specific_one_does_not(
    route: MakeRoute, table_of: MakeTable, asked: Any
) -> None:
    table = table_of(route("host", "/a", hostnames=("shop.example",)), route("any", "/b"))
    assert target(table, "/b", asked(), host="shop.example") == "any"


def test_regular_expressions_match_the_whole_path(route: MakeRoute, table_of: MakeTable, asked: Any) -> None:
    table = table_of(route("a", "/users/[0-9]+", "RegularExpression"))
    paths = ("/users/12", "/users/12/x", "/x/users/12", "/users/a")
    assert [target(table, path, asked()) for path in paths] == ["a", None, None, None]


@pytest.mark.parametrize(
    ("query", "matches"),
    [("wsdl", True), ("wsdl=", True), ("a=1&wsdl=", True), ("wsdl=1", False), ("", False), ("wsdl=1&wsdl=", False)],
)
def test_query_parameters(query: str, matches: bool, route: MakeRoute, table_of: MakeTable, asked: Any) -> None:
    table = table_of(route("a", query_params=(ValueMatch(name="wsdl", value=""),)))
    assert (target(table, "/", asked(query=query)) == "a") is matches


def test_headers_are_case_insensitive_in_name_only_and_may_be_expressions(
    route: MakeRoute, table_of: MakeTable, asked: Any
) -> None:
    wanted = ValueMatch(name="X-Version", value="v[0-9]+", type="RegularExpression")
    table = table_of(route("a", headers=(wanted,)))
    values = ("v12", "V12", "v12x", "")
    assert [target(table, "/", asked({"x-VERSION": value})) for value in values] == ["a", None, None, None]


def test_the_matched_prefix_leaves_the_rest_of_the_path(route: MakeRoute, table_of: MakeTable, asked: Any) -> None:
    for prefix, expected in (("/a/b/", "/c"), ("/", "/a/b/c")):
        entry = table_of(route("x", prefix)).match("", "/a/b/c", "GET", asked())
        assert entry is not None
        assert "/a/b/c"[len(entry.prefix) :] == expected


def test_one_route_with_several_hosts_and_matches(asked: Any) -> None:
    matches = (Match(path=PathMatch(value="/a")), Match(path=PathMatch(value="/b"), method="POST"))
    table = RouteTable([(Route(name="x", hostnames=("one.example", "two.example"), matches=matches), 7)])
    assert len(table) == 4
    entry = table.match("two.example", "/b/c", "POST", asked())
    assert entry is not None
    assert (entry.target, entry.prefix, entry.route.name) == (7, "/b", "x")


class Counting(dict[str, Any]):
    """A dictionary that counts how often it is asked, in place of the table's own."""

    asked = 0

    def __contains__(self, key: object) -> bool:
        self.asked += 1
        return super().__contains__(key)


@pytest.mark.parametrize("count", [10, 5_000])
def test_cost_is_bounded_by_the_configuration_not_by_routes_or_path(
    count: int, route: MakeRoute, table_of: MakeTable, asked: Any
) -> None:
    table = table_of(*(route(f"r{number}", f"/service-{number}/items") for number in range(count)))
    paths = table._every_host
    counting = paths._prefixes = Counting(paths._prefixes)
    assert target(table, "/" + "a/" * 10_000, asked()) is None
    assert counting.asked <= 20  # no more segments than fit into the longest prefix


def test_repr_is_the_table(route: MakeRoute, table_of: MakeTable) -> None:
    condition = ValueMatch(name="X-A", value="1")
    table = table_of(route("a", "/a/", headers=(condition,)), route("b", "/b", "Exact", method="GET"))
    assert repr(table) == (
        "HOST  PATH  METHOD  ROUTE  CONDITIONS\n*     = /b  GET     b\n*     /a/*  *       a      header X-A=1"
    )
