"""What people are told about a request that took another route than they thought, or none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.routing.explain import MOST, explain, near_misses
from gateway.routing.table import RouteTable
from gateway.spec.models import Route, ValueMatch

MakeRoute = Callable[..., Route]
MakeTable = Callable[..., RouteTable[str]]


def told(table: RouteTable[str], asked: Any, path: str = "/orders/1", method: str = "GET", host: str = "") -> list[str]:
    return [str(one) for one in explain(table, host, path, method, asked)]


def test_a_wrong_method(route: MakeRoute, table_of: MakeTable, asked: Any) -> None:
    table = table_of(route("orders-read", "/orders", method="GET"), route("products", "/products"))
    assert told(table, asked(), method="PUT") == ["orders-read matched the path but wants method GET"]
    (miss,) = near_misses(table, "", "/orders/1", "PUT", asked())
    assert (miss.route, miss.where, miss.chosen) == ("orders-read", "test.yaml:11", False)


def test_headers_and_query_parameters(route: MakeRoute, table_of: MakeTable, asked: Any) -> None:
    wanted = ValueMatch(name="X-Version", value="v2")
    table = table_of(route("canary", "/orders", headers=(wanted,), query_params=(ValueMatch(name="q", value="1"),)))
    assert told(table, asked({"X-Version": "v1"})) == [
        "canary matched the path but wants header X-Version=v2 (has another value) and query parameter q=1 (absent)"
    ]


def test_another_host(route: MakeRoute, table_of: MakeTable, asked: Any) -> None:
    table = table_of(route("shop", "/orders", hostnames=("shop.example",)))
    assert told(table, asked(), host="127.0.0.1:8088") == ["shop matched the path but wants host shop.example"]
    assert near_misses(table, "127.0.0.1", "/orders", "GET", asked()) == []  # would look at every host


def test_why_one_goes_before_another(route: MakeRoute, table_of: MakeTable, asked: Any) -> None:
    winner = route("winner", "/a/b", "Exact", hostnames=("shop.example",))
    others = {
        "host": (route("other", "/a/b", "Exact"), "its host name is more specific"),
        "kind": (route("other", "/a/b", hostnames=("shop.example",)), "Exact goes before PathPrefix"),
        "tie": (route("other", "/a/b", "Exact", hostnames=("shop.example",)), "it stands first in the file"),
    }
    for other, reason in others.values():
        lines = told(table_of(winner, other), asked(), "/a/b", host="shop.example")
        assert lines == ["winner matched", f"other would match too; winner goes first: {reason}"]


def test_why_one_prefix_goes_before_another(route: MakeRoute, table_of: MakeTable, asked: Any) -> None:
    header = (ValueMatch(name="X-A", value="1"),)
    steps = [
        (route("winner", "/a/b"), route("other", "/a"), "its prefix is longer"),
        (route("winner", "/a", method="GET"), route("other", "/a", headers=header), "it names a method"),
        (route("winner", "/a", headers=header), route("other", "/a"), "it asks for more headers"),
        (route("winner", "/a", query_params=header), route("other", "/a"), "it asks for more query parameters"),
    ]
    for winner, other, reason in steps:
        lines = told(table_of(other, winner), asked({"X-A": "1"}, "X-A=1"), "/a/b")
        assert lines[1] == f"other would match too; winner goes first: {reason}"


def test_only_so_many_are_told(route: MakeRoute, table_of: MakeTable, asked: Any) -> None:
    table = table_of(*(route(f"r{number}", "/orders", method="POST") for number in range(100)))
    assert len(told(table, asked())) == MOST


def test_an_unknown_path_has_no_candidates(route: MakeRoute, table_of: MakeTable, asked: Any) -> None:
    assert told(table_of(route("a", "/a")), asked(), "/b") == []
    assert told(table_of(route("a", "/", hostnames=("x.example",))), asked(), "*") == []
