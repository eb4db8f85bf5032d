"""What GraphQLGuard lets pass, and what it says of the rest."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.filters.graphql_cache import TextCache
from gateway.filters.graphql_guard import GraphQLGuardFilter
from gateway.http.messages import Reply, Request
from gateway.spec.graphql_files import digest
from gateway.spec.guards import GraphQLGuard, PersistedQueries

JSON = "Content-Type: application/json"
Make = Callable[..., GraphQLGuardFilter]
Post = Callable[..., Request]


@pytest.fixture
def guard(build: Any) -> Make:
    def make(**keys: Any) -> GraphQLGuardFilter:
        return GraphQLGuardFilter(GraphQLGuard.model_validate(keys, by_alias=True), build())

    return make


@pytest.fixture
def post(ask: Any) -> Post:
    def make(body: Any, *fields: str, path: str = "/graphql", **claims: Any) -> Request:
        request: Request = ask(path, *(fields or (JSON,)), method="POST")
        request.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        request.claims = claims or None
        return request

    return make


def said(decision: Any) -> tuple[int, str]:
    assert isinstance(decision, Reply)
    return decision.status, decision.reason


def test_a_common_query_passes_and_has_a_cost(guard: Make, post: Post) -> None:
    one, request = guard(operations=["Home"]), post({"query": "query Home { me { orders(first: 3) { id } } }"})
    assert one.decide(request) is None
    assert (request.cost, request.operations) == (5, (("query", "Home"),))
    assert one.explain(request, None).startswith("query: depth 3 of 10, aliases 0 of 15, fields 3 of 250")
    assert "cost 5 of 15000" in one.explain(request, None)


@pytest.mark.parametrize(
    ("keys", "query", "reason"),
    [
        ({"maxDepth": 2}, "{ a { b { c } } }", "graphql_too_deep"),
        ({"maxAliases": 2}, "{ x: a y: a z: a }", "graphql_too_many_aliases"),
        ({"maxFields": 2}, "{ a { b c } }", "graphql_too_many_fields"),
        ({"maxRootFields": 2}, "{ a b c }", "graphql_too_many_root_fields"),
        ({"maxDirectives": 1}, "{ a @x @y }", "graphql_too_many_directives"),
        ({"maxCost": 10}, "{ a(first: 10) { b } }", "graphql_too_costly"),
        ({"maxFragments": 0}, "{ ...F } fragment F on Q { a }", "graphql_too_many_fragments"),
        ({"maxTokens": 3}, "{ a b }", "graphql_too_many_tokens"),
    ],
)
def test_one_less_passes_and_one_more_does_not(
    guard: Make, post: Post, keys: dict[str, int], query: str, reason: str
) -> None:
    (name, limit), request = next(iter(keys.items())), post({"query": query})
    assert said(guard(**keys).decide(request)) == (400, reason)
    assert guard(**{name: limit + 1}).decide(request) is None


def test_introspection_is_off_unless_allowed(guard: Make, post: Post) -> None:
    for query in ("{ __schema { types { name } } }", '{ ...F } fragment F on Query { x: __type(name: "A") { name } }'):
        assert said(guard().decide(post({"query": query}))) == (403, "graphql_introspection")
        assert guard(introspection=True).decide(post({"query": query})) is None
    assert guard().decide(post({"query": "{ __typename }"})) is None


@pytest.mark.parametrize(
    ("fields", "path", "method", "expected"),
    [
        ((JSON,), "/graphql", "GET", (405, "graphql_not_post")),
        ((), "/graphql", "POST", (415, "graphql_not_json")),
        (("Content-Type: text/plain",), "/graphql", "POST", (415, "graphql_not_json")),
        (("Content-Type: application/x-www-form-urlencoded",), "/graphql", "POST", (415, "graphql_not_json")),
        (("Content-Type: application/json; charset=utf-16",), "/graphql", "POST", (415, "graphql_not_json")),
        ((JSON,), "/graphql?query=%7Ba%7D", "POST", (400, "graphql_in_address")),
        ((JSON,), "/graphql?variables", "POST", (400, "graphql_in_address")),
    ],
)
def test_only_post_and_json(
    guard: Make, ask: Any, fields: tuple[str, ...], path: str, method: str, expected: tuple[int, str]
) -> None:
    request = ask(path, *fields, method=method)
    request.body = b'{"query": "{ a }"}'
    assert said(guard().decide(request)) == expected


@pytest.mark.parametrize(
    "value", ["application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"']
)
def test_ways_to_write_json(guard: Make, post: Post, value: str) -> None:
    assert guard().decide(post({"query": "{ a }"}, f"Content-Type: {value}", path="/graphql?trace=1")) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"1",
        b"{}",
        b'{"query": ""}',
        b'{"query": 1}',
        b'{"query": "{ a }", "variables": []}',
        b'{"query": "{ a }", "operationName": 1}',
        b'{"query": "{ a }", "other": 1}',
        b'{"query": "{ a }", "query": "{ b }"}',
        b'{"query": "{ a }", "variables": {"n": 1, "n": 2}}',
        b'{"query": "{ a }", "variables": {"n": NaN}}',
        b'{"query": "{ a }", "variables": {"n": ' + b"9" * 5_000 + b"}}",
        b'{"query": "{ a }", "variables": {"n": 1e999}}',
        b'{"query": "{ a }", "extensions": {"persistedQuery": {"sha256Hash": "AB"}}}',
        b'\xef\xbb\xbf{"query": "{ a }"}',
        '{"query": "{ a }"}'.encode("utf-16"),
        b'{"query": "\xff"}',
        b"[" * 60_000,
    ],
)
def test_what_is_no_graphql_request(guard: Make, post: Post, body: bytes) -> None:
    refused = guard().decide(post(body))
    assert said(refused) == (400, "graphql_malformed")
    assert isinstance(refused, Reply)
    assert "sys." not in refused.detail  # nothing of the inside


def test_a_batch_counts_as_one_request(guard: Make, post: Post) -> None:
    batch = [{"query": "{ x: a }"}] * 3
    assert said(guard().decide(post(batch))) == (400, "graphql_batch_too_large")
    assert said(guard().decide(post([]))) == (400, "graphql_batch_too_large")
    request = post(batch)
    assert guard(maxBatch=3, maxAliases=3).decide(request) is None
    assert request.cost == 3
    assert said(guard(maxBatch=3, maxAliases=2).decide(post(batch))) == (400, "graphql_too_many_aliases")


def test_the_operation_that_runs_is_the_one_that_counts(guard: Make, post: Post) -> None:
    query = "query Small { a } query Large($n: Int) { a(first: $n) { b } }"
    one, large = guard(maxCost=10), {"query": query, "operationName": "Large", "variables": {"n": 100}}
    assert one.decide(post(large | {"operationName": "Small"})) is None
    assert said(one.decide(post(large))) == (400, "graphql_too_costly")
    assert said(one.decide(post({"query": query}))) == (400, "graphql_invalid")
    assert said(one.decide(post({"query": query, "operationName": "Other"}))) == (400, "graphql_invalid")


def test_operations_that_do_not_run_are_within_the_limits_too(guard: Make, post: Post) -> None:
    """The service parses and validates all of them."""
    query = "query Small { a } query Large { a { b { c } } }"
    assert said(guard(maxDepth=2).decide(post({"query": query, "operationName": "Small"}))) == (400, "graphql_too_deep")
    assert guard(maxDepth=3).decide(post({"query": query, "operationName": "Small"})) is None


def test_root_fields_ask_for_scopes_whatever_they_are_called(guard: Make, post: Post) -> None:
    one = guard(rootFields=[{"field": "Mutation.pay", "scopes": ["pay", "write"]}])
    hidden = {"query": "mutation Harmless { ...F } fragment F on Mutation { look: pay { id } }"}
    assert said(one.decide(post(hidden))) == (403, "not_authenticated")
    assert said(one.decide(post(hidden, sub="a", scope="pay"))) == (403, "insufficient_scope")
    assert one.decide(post(hidden, sub="a", scope="write other pay")) is None
    assert one.decide(post({"query": "{ pay { id } }"})) is None  # another type's field


def test_root_fields_are_counted(guard: Make, post: Post) -> None:
    one = guard(rootFields=[{"field": "Mutation.login", "max": 2}], maxBatch=2)
    twice = {"query": "mutation { a: login b: login }"}
    assert one.decide(post(twice)) is None
    assert said(one.decide(post([twice, {"query": "mutation { login }"}]))) == (400, "graphql_root_field_too_often")


@pytest.fixture
def known(tmp_path: Path) -> dict[str, str]:
    texts = ("query Known { a }", "query Two($n: Int) { a(first: $n) { b } }")
    found = {digest(text): text for text in texts}
    (tmp_path / "queries.json").write_text(json.dumps(found))
    return found


def hashed(key: str, **members: Any) -> dict[str, Any]:
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": key}}, **members}


@pytest.mark.parametrize("mode", ["allow", "require"])
def test_a_known_query_goes_on_as_its_text(
    guard: Make, post: Post, known: dict[str, str], tmp_path: Path, mode: str
) -> None:
    one = guard(persisted={"file": str(tmp_path / "queries.json"), "mode": mode})
    key = next(key for key, text in known.items() if "Two" in text)
    request = post(hashed(key, variables={"n": 5}))
    assert one.decide(request) is None
    assert (request.cost, request.operations) == (6, (("query", "Two"),))
    assert request.body is not None
    assert json.loads(request.body) == {"query": known[key], "variables": {"n": 5}}
    assert request.length == len(request.body)
    assert said(one.decide(post(hashed("0" * 64)))) == (400, "graphql_persisted_unknown")
    assert said(one.decide(post(hashed(key, query="{ b }")))) == (400, "graphql_persisted_mismatch")


def test_require_lets_only_known_queries_pass(guard: Make, post: Post, known: dict[str, str], tmp_path: Path) -> None:
    file = str(tmp_path / "queries.json")
    required = guard(persisted={"file": file, "mode": "require"})
    for text in known.values():
        assert required.decide(post({"query": text})) is None
    assert said(required.decide(post({"query": "{ a }"}))) == (403, "graphql_not_persisted")
    assert guard(persisted={"file": file}).decide(post({"query": "{ a }"})) is None
    assert said(guard().decide(post(hashed("0" * 64)))) == (400, "graphql_persisted_unknown")


def test_limits_hold_for_known_queries_too(guard: Make, post: Post, known: dict[str, str], tmp_path: Path) -> None:
    one = guard(persisted={"file": str(tmp_path / "queries.json")}, maxCost=10)
    key = next(key for key, text in known.items() if "Two" in text)
    assert said(one.decide(post(hashed(key, variables={"n": 100})))) == (400, "graphql_too_costly")


SCHEMA = """
type Query { user(id: ID!, kind: Kind): User }
type Mutation { order(items: [Item!]!): User }
type User { name: String passwordHash: String }
input Item { productId: ID! quantity: Int }
enum Kind { PERSON COMPANY }
"""


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("{ usr(id: 1) { name } }", {}),
        ("{ user(id: 1) { passwordHsh } }", {}),
        ("{ user(idd: 1) { name } }", {}),
        ("{ user(id: 1, kind: PERSN) { name } }", {}),
        ("query ($i: Itm) { user(id: $i) { name } }", {}),
        ("mutation { order(items: [{productId: 1, quantiti: 2}]) { name } }", {}),
        ("mutation ($i: [Item!]!) { order(items: $i) { name } }", {"i": [{"productId": 1, "quantiti": 2}]}),
        ("query ($k: Kind) { user(id: 1, kind: $k) { name } }", {"k": "PERSN"}),
        ("query ($k: Kind) { user(id: 1, kind: $k) { name } }", {"k": "\ud800"}),
        ("query ($id: ID!) { user(id: $id) { name } }", {}),
    ],
)
def test_what_does_not_fit_the_schema_is_refused_without_help(
    guard: Make, post: Post, tmp_path: Path, query: str, variables: dict[str, Any]
) -> None:
    (tmp_path / "schema.graphql").write_text(SCHEMA)
    request = post({"query": query, "variables": variables})
    refused = guard(schemaFile=str(tmp_path / "schema.graphql")).decide(request)
    assert said(refused) == (400, "graphql_validation")
    assert isinstance(refused, Reply)
    assert "Did you mean" not in refused.detail
    refused.detail.encode()  # any answer can carry it
    assert not {"passwordHash", "PERSON", "quantity"} & set(re.findall(r"\w+", refused.detail))
    assert guard().decide(post({"query": query})) is None


def test_what_fits_the_schema_passes(guard: Make, post: Post, tmp_path: Path) -> None:
    (tmp_path / "schema.graphql").write_text(SCHEMA)
    one = guard(schemaFile=str(tmp_path / "schema.graphql"))
    query = "query ($id: ID!, $k: Kind = PERSON) { user(id: $id, kind: $k) { name } }"
    for variables in ({"id": 1}, {"id": "a", "k": "COMPANY"}, {"id": 1, "more": {}}):
        assert one.decide(post({"query": query, "variables": variables})) is None
    assert said(one.decide(post({"query": query, "variables": {"id": []}}))) == (400, "graphql_validation")


def test_halves_of_characters_break_nothing(guard: Make, post: Post, known: dict[str, str], tmp_path: Path) -> None:
    one = guard(persisted={"file": str(tmp_path / "queries.json")})
    key = next(key for key, text in known.items() if "Two" in text)
    request = post(hashed(key, variables={"x": "\ud800", "big": 10**29}))
    assert one.decide(request) is None
    assert json.loads(request.body or b"")["variables"] == {"x": "\ud800", "big": 10**29}
    refused = one.decide(post({"query": '{ a(x: "\ud800 }'}))
    assert isinstance(refused, Reply)
    refused.detail.encode()


def test_metrics_know_only_names_of_the_configuration(guard: Make, post: Post, known: Any, tmp_path: Path) -> None:
    one = guard(operations=["Home"], persisted={"file": str(tmp_path / "queries.json")})
    for name in ("Home", "Known", *(f"Random{n}" for n in range(100))):
        request = post({"query": f"query {name} {{ a }}"})
        assert one.decide(request) is None
        one.commit(request)
    assert one._passed.values == {
        ("", "query", "Home"): 1,
        ("", "query", "Known"): 1,
        ("", "query", "_OTHER"): 100,
    }


def test_a_text_is_parsed_once(guard: Make, post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    one = guard()
    assert one.decide(post({"query": "{ a }"})) is None
    monkeypatch.setattr("gateway.filters.graphql_texts.read", lambda *_: pytest.fail("parsed again"))
    assert one.decide(post({"query": "{ a }"})) is None


def test_what_is_kept_is_bounded_and_the_latest_used_stays() -> None:
    cache: TextCache[int] = TextCache(3, 100)
    for number, size in enumerate((40, 40, 10)):
        cache.put(str(number), number, size)
    assert cache.get("0") == 0
    cache.put("3", 3, 10)  # one too many: the least recently used goes
    assert [cache.get(key) for key in "0123"] == [0, None, 2, 3]
    cache.put("4", 4, 95)  # too many characters
    assert (len(cache), cache.used, cache.get("4")) == (1, 95, 4)
    cache.put("5", 5, 101)
    assert (len(cache), cache.used) == (0, 0)


def test_mistakes_of_the_configuration(tmp_path: Path) -> None:
    def mistakes(text: str) -> list[str]:
        (tmp_path / "q.json").write_text(text)
        one = GraphQLGuard(persisted=PersistedQueries(file=str(tmp_path / "q.json")))
        return [message for _, message in one.mistakes()]

    assert "not JSON" in mistakes("{")[0]
    assert "must be an object" in mistakes("[]")[0]
    assert "is not the SHA-256" in mistakes('{"00": "{ a }"}')[0]
    assert "is not GraphQL" in mistakes(json.dumps({digest("{"): "{"}))[0]
    assert mistakes(json.dumps({digest("{ a }"): "{ a }"})) == []
    (tmp_path / "s.graphql").write_text("type Query { a: Nothing }")
    for name, sentence in (("s.graphql", "is no GraphQL schema"), ("none.graphql", "cannot be read")):
        ((place, message),) = GraphQLGuard(schema_file=str(tmp_path / name)).mistakes()
        assert (place, sentence in message) == (("schemaFile",), True)
