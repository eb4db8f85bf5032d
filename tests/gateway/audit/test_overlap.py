"""Which of two matches wins is what the route table does, and is only claimed where it can be proved."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit.model import System
from gateway.audit.overlap import always_first, places
from gateway.routing.table import RouteTable
from gateway.spec.models import Listener, Match, Route, Spec

PATHS = ("/", "/a", "/a/b", "/ab", "/a/b/c")
PATTERNS = ("/a/[^/]+/c", "/.*", "/a/b|/ab", "/a{1,2}/b", "/a/b")


class Asked:
    """A request's headers and query."""

    def __init__(self, headers: dict[str, str]) -> None:
        self.query = ""
        self._headers = headers

    def all(self, name: bytes) -> list[bytes]:
        value = self._headers.get(name.decode())
        return [] if value is None else [value.encode()]


paths = st.one_of(
    st.builds(lambda value: {"type": "Exact", "value": value}, st.sampled_from(PATHS)),
    st.builds(lambda value: {"type": "PathPrefix", "value": value}, st.sampled_from(PATHS)),
    st.builds(lambda value: {"type": "RegularExpression", "value": value}, st.sampled_from(PATTERNS)),
)
matches = st.builds(
    lambda path, method, headers: Match.model_validate({"path": path, "method": method, "headers": headers}),
    paths,
    st.sampled_from([None, "GET", "POST"]),
    st.lists(st.sampled_from([{"name": "x", "value": "1"}, {"name": "y", "value": "1"}]), max_size=2, unique_by=str),
)
routes = st.builds(
    lambda names, found: Route(name="r", hostnames=tuple(names), matches=tuple(found)),
    st.lists(st.sampled_from(["a.test", "*.test"]), max_size=2, unique=True),
    st.lists(matches, min_size=1, max_size=2),
)


@given(st.lists(routes, min_size=2, max_size=3), st.data())
def test_a_match_that_is_said_to_lose_never_wins(found: list[Route], data: st.DataObject) -> None:
    named = [route.model_copy(update={"name": f"r{index}"}) for index, route in enumerate(found)]
    every = places(System(Spec(listeners=(Listener(name="p", port=0),), routes=tuple(named)), frozenset()))
    losers = {other.order for other in every for one in every if one is not other and always_first(one, other)}
    table = RouteTable([(route, route.name) for route in named])
    host = data.draw(st.sampled_from(["a.test", "b.test", "other"]))
    path = data.draw(st.sampled_from([*PATHS, "/a/x/c", "/aa/b", "/z"]))
    headers = data.draw(st.dictionaries(st.sampled_from(["x", "y"]), st.just("1")))
    entry = table.match(host, path, data.draw(st.sampled_from(["GET", "POST"])), Asked(headers))
    if entry is not None:
        winner = (int(entry.target[1:]), named[int(entry.target[1:])].matches.index(entry.match))
        assert winner not in losers


@pytest.mark.parametrize(
    ("first", "second", "hides"),
    [
        ("{path: {value: /p}}", "{path: {value: /p}}", True),
        ("{path: {value: /p}}", "{path: {value: /p}, method: GET}", False),  # the method makes it more specific
        ("{path: {value: /p}, method: GET}", "{path: {value: /p}, method: GET}", True),
        ("{path: {value: /}}", '{path: {type: RegularExpression, value: "/x|/y"}}', True),
        ("{path: {value: /p}}", '{path: {type: RegularExpression, value: "/p[0-9]+"}}', False),
        ("{path: {value: /p}}", '{path: {type: RegularExpression, value: "/p/.*"}, method: GET}', True),
        ("{path: {value: /p}, method: GET}", '{path: {type: RegularExpression, value: "/p/.*"}}', False),
    ],
)
def test_cases(system: Any, first: str, second: str, hides: bool) -> None:
    shape = "  - {{name: {}, public: true, matches: [{}], backendRefs: [{{cluster: shop}}]}}\n"
    one, other = places(system(shape.format("a", first) + shape.format("b", second)))
    assert (always_first(one, other), always_first(other, one)) == (hides, False)


def test_another_listener_or_host_is_another_matter(system: Any) -> None:
    head = "listeners: [{name: a, port: 1}, {name: b, port: 2}]\nclusters: [{name: shop, endpoints: ['127.0.0.1:9']}]\n"
    shape = "  - {{name: {}, public: true, listeners: [{}], hostnames: [{}], backendRefs: [{{cluster: shop}}]}}\n"

    def first_wins(one: tuple[str, str], other: tuple[str, str]) -> bool:
        return always_first(*places(system(shape.format("x", *one) + shape.format("y", *other), head=head)))

    assert first_wins(("a, b", "a.test"), ("a", "a.test"))
    assert not first_wins(("a", "a.test"), ("a, b", "a.test"))
    assert not first_wins(("a", "'*.test'"), ("a", "a.test"))
