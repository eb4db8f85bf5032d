"""The table against a reference that is slow and obvious: sort all routes that match by the text of the rule."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.routing.explain import explain, near_misses
from gateway.routing.table import RouteTable
from gateway.spec.models import Match, PathMatch, Route, ValueMatch

SEGMENT = st.sampled_from(["a", "b", "ab"])
PATH = st.lists(SEGMENT, max_size=3).map(lambda segments: "/" + "/".join(segments))
VALUES = st.lists(
    st.builds(ValueMatch, name=st.sampled_from(["x", "y"]), value=st.sampled_from(["1", "2"])),
    max_size=2,
    unique_by=lambda value: value.name,
).map(tuple)
PATH_MATCH = st.one_of(
    st.builds(PathMatch, type=st.just("Exact"), value=PATH),
    st.builds(PathMatch, type=st.just("PathPrefix"), value=PATH),
    st.builds(PathMatch, type=st.just("RegularExpression"), value=st.sampled_from(["/a/.*", "/[ab]+", "/.*b"])),
)
METHOD = st.sampled_from(["GET", "POST"])
MATCH = st.builds(Match, path=PATH_MATCH, method=st.none() | METHOD, headers=VALUES, query_params=VALUES)
HOST = st.sampled_from(["x.example", "a.x.example", "b.a.x.example", "y.example"])
HOST_MATCH = st.one_of(HOST, st.sampled_from(["*.example", "*.x.example", "*.a.x.example"]))
ROUTES = st.lists(
    st.builds(
        Route,
        name=st.just("r"),
        hostnames=st.lists(HOST_MATCH, max_size=2, unique=True).map(tuple),
        matches=st.lists(MATCH, min_size=1, max_size=2).map(tuple),
    ),
    max_size=8,
)


class Asked:
    def __init__(self, headers: dict[str, str], params: dict[str, str]) -> None:
        self.headers, self.params = headers, params
        self.query = "&".join(f"{name}={value}" for name, value in params.items())

    def all(self, name: bytes) -> list[bytes]:
        return [value.encode() for field, value in self.headers.items() if field.encode() == name]


PAIRS = st.dictionaries(st.sampled_from(["x", "y"]), st.sampled_from(["1", "2"]))
REQUEST = st.tuples(HOST, PATH | PATH.map(lambda path: f"{path}/"), METHOD, st.builds(Asked, PAIRS, PAIRS))
Request = tuple[str, str, str, Asked]


def host_rank(name: str, host: str) -> tuple[int, int] | None:
    """Smaller is more specific; None does not match."""
    if not name:
        return (2, 0)
    if name.startswith("*."):
        return (1, -len(name)) if host.endswith(name[1:]) else None
    return (0, 0) if name == host else None


def path_rank(match: PathMatch, path: str) -> tuple[int, int] | None:
    if match.type == "Exact":
        return (0, 0) if path == match.value else None
    if match.type == "PathPrefix":
        segments = [segment for segment in match.value.split("/") if segment]
        return (1, -len(match.value.rstrip("/"))) if path.split("/")[1 : len(segments) + 1] == segments else None
    return (2, 0) if re.fullmatch(match.value, path) else None


def holds(match: Match, method: str, asked: Asked) -> bool:
    return (
        match.method in (None, method)
        and all(asked.headers.get(one.name) == one.value for one in match.headers)
        and all(asked.params.get(one.name) == one.value for one in match.query_params)
    )


def ranked(routes: Sequence[Route], request: Request) -> Iterator[tuple[Any, int]]:
    """Every way in which a route matches: its rank by the rule, and the route's number."""
    host, path, method, asked = request
    for number, route in enumerate(routes):
        for place, match in enumerate(route.matches):
            for name in route.hostnames or ("",):
                of_host, of_path = host_rank(name, host), path_rank(match.path, path)
                if of_host is not None and of_path is not None and holds(match, method, asked):
                    counts = (match.method is None, -len(match.headers), -len(match.query_params))
                    yield (of_host, of_path, counts, number, place), number


@settings(max_examples=400, deadline=None)
@given(ROUTES, REQUEST)
def test_table_agrees_with_the_reference(routes: list[Route], request: Request) -> None:
    expected = min(ranked(routes, request), default=(None, None))[1]
    entry = RouteTable(list(zip(routes, range(len(routes)), strict=True))).match(*request)
    assert (entry.target if entry else None) == expected


@settings(max_examples=200, deadline=None)
@given(ROUTES, REQUEST)
def test_explanation_names_the_route_that_is_taken(routes: list[Route], request: Request) -> None:
    named = [route.model_copy(update={"name": f"r{number}"}) for number, route in enumerate(routes)]
    table = RouteTable([(route, route.name) for route in named])
    entry = table.match(*request)
    told = explain(table, *request)
    assert [one.route for one in told if one.chosen] == ([entry.target] if entry else [])
    assert not any(one.chosen for one in near_misses(table, *request))
