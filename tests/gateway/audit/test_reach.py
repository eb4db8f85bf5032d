"""A route's matches, through its rewrites, against what a service says it has."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.audit.openapi import Operation, read_operations
from gateway.audit.reach import reaches, upstream_path
from gateway.spec.models import Route
from gateway.spec.openapi.paths import MAX_OPERATIONS

API = 'path: {type: RegularExpression, value: "/api/orders/.*"}'
CANCEL = Operation("POST", "/orders/{id}/cancel")


def reached(system: Any, match: str, rewrite: str = "", operation: Operation = CANCEL) -> bool:
    (one,) = reaches(route(system, match, rewrite))
    return one.meets(operation)


def route(system: Any, match: str, rewrite: str = "") -> Route:
    filters = f"filters: [{{type: URLRewrite, path: {rewrite}}}], " if rewrite else ""
    text = f"  - {{name: r, public: true, matches: [{{{match}}}], {filters}backendRefs: [{{cluster: shop}}]}}"
    found: Route = system(text).spec.routes[0]
    return found


@pytest.mark.parametrize(
    ("match", "rewrite", "expected"),
    [
        ("path: {value: /orders}", "", True),
        ("path: {value: /orders/7/cancel}", "", True),
        ("path: {value: /orders/7/cancel/x}", "", False),
        ("path: {type: Exact, value: /orders}", "", False),
        ("path: {type: Exact, value: /orders/7/cancel}", "", True),
        ("path: {value: /orders}, method: GET", "", False),
        ("path: {value: /shop}", "{type: ReplacePrefixMatch, value: /orders}", True),
        ("path: {value: /shop}", "{type: ReplacePrefixMatch, value: /other}", False),
        ("path: {value: /shop}", "{type: ReplaceFullPath, value: /orders/1/cancel}", True),
        ('path: {type: RegularExpression, value: "/orders/[0-9]+/cancel"}', "", True),
        ('path: {type: RegularExpression, value: "/orders/[0-9a-f-]{36}/cancel"}', "", True),
        ('path: {type: RegularExpression, value: "/orders/[0-9]+"}', "", False),
        (API, "{type: ReplacePrefixMatch, prefix: /api, value: /}", True),
        (API, "{type: ReplacePrefixMatch, prefix: /api, value: /v1}", False),
    ],
)  # fmt: skip
def test_what_a_match_reaches(system: Any, match: str, rewrite: str, expected: bool) -> None:
    assert reached(system, match, rewrite) is expected


def test_head_follows_from_get(system: Any) -> None:
    assert reached(system, "path: {value: /orders}, method: HEAD", operation=Operation("GET", "/orders"))
    assert not reached(system, "path: {value: /orders}, method: HEAD", operation=CANCEL)


def test_what_the_service_sees_of_a_path(system: Any) -> None:
    prefix = route(system, "path: {value: /shop}", "{type: ReplacePrefixMatch, value: /orders}")
    assert upstream_path(prefix, "/shop/7") == "/orders/7"
    full = route(system, "path: {value: /shop}", "{type: ReplaceFullPath, value: /x}")
    assert upstream_path(full, "/shop/7") == "/x"
    assert upstream_path(route(system, "path: {value: /shop}"), "/shop/7") == "/shop/7"


def test_a_document_is_read_and_not_believed() -> None:
    paths = {"/orders/{id}": {"get": {}, "parameters": [], "x-own": 1}, "bad": {"get": {}}, "/n": None, 5: {"get": {}}}
    document = {"openapi": "3.1.0", "servers": [{"url": "https://x.test/v1/"}], "paths": paths}
    assert read_operations(document) == (Operation("GET", "/v1/orders/{id}"),)
    many = {"openapi": "3.0.1", "paths": {f"/{number}": {"get": {}} for number in range(MAX_OPERATIONS + 5)}}
    assert len(read_operations(many)) == MAX_OPERATIONS


@pytest.mark.parametrize(
    "nonsense",
    [None, [], "x", {}, {"openapi": "2.0"}, {"openapi": "3.1.0", "paths": []}, {"openapi": "3.1.0", "servers": [5]}],
)
def test_what_is_no_document_says_nothing(nonsense: Any) -> None:
    assert read_operations(nonsense) == ()


def test_servers_that_make_no_sense_are_ignored() -> None:
    for servers in ([{"url": "http://[x"}], [{"url": 5}], [None], "x", []):
        document: dict[str, Any] = {"openapi": "3.1.0", "servers": servers, "paths": {"/a": {"get": {}}}}
        assert read_operations(document) == (Operation("GET", "/a"),)
