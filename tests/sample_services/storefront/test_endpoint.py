"""GraphQL over HTTP: media types, status codes, and nothing that a client sends makes it a 500."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from sample_services.storefront import application
from sample_services.storefront.limits import Limits

GRAPHQL = "application/graphql-response+json"
JSON = "application/json"


async def post(shop: Any, body: Any, *, accept: str = GRAPHQL, content: str = JSON, **headers: str) -> tuple[int, Any]:
    """Status and parsed answer; whatever happens, the answer has the type that was accepted."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"Content-Type": content, "Accept": accept, **headers}
    async with shop.http.post(f"{shop.url}/graphql", data=data, headers=sent) as response:
        if accept in (GRAPHQL, JSON):
            assert response.headers["Content-Type"] == f"{accept}; charset=utf-8"
        assert response.headers["Cache-Control"] == "no-store"
        return response.status, json.loads(await response.read())


def reason(answer: Any) -> str:
    assert "data" not in answer
    (error,) = answer["errors"]
    assert len(error["extensions"]["trace_id"]) == 32
    return str(error["extensions"]["reason"])


@pytest.mark.parametrize("accept", [GRAPHQL, JSON])
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"NONSENSE", "malformed_json"),
        (b'{"query":', "malformed_json"),
        (b"", "malformed_json"),
        (b"\xff\xfe", "malformed_json"),
        (b"[" * 5_000, "malformed_json"),
        (b'{"query": "{me{username}}", "variables": {"x": NaN}}', "malformed_json"),
        ([{"query": "{__typename}"}], "invalid_request"),
        ("{__typename}", "invalid_request"),
        (None, "invalid_request"),
        ({"qeury": "{__typename}"}, "invalid_request"),
        ({"query": ""}, "invalid_request"),
        ({"query": 7}, "invalid_request"),
        ({"query": "{__typename}", "variables": [7]}, "invalid_request"),
        ({"query": "{__typename}", "operationName": 7}, "invalid_request"),
        ({"query": "{__typename}", "extensions": "x"}, "invalid_request"),
    ],
)
async def test_what_is_no_graphql_request_is_400_in_both_media_types(
    shop: Any, accept: str, body: Any, expected: str
) -> None:
    status, answer = await post(shop, body, accept=accept)
    assert (status, reason(answer)) == (400, expected)


COSTLY = "{ products(first: 50) { nodes { reviews(first: 50) { text author stars created product { id name } } } } }"
REQUEST_ERRORS = [
    ({"query": "{"}, "graphql_syntax_error"),
    ({"query": "{ nope }"}, "graphql_validation_failed"),
    ({"query": "subscription { x }"}, "graphql_validation_failed"),
    ({"query": "query A { __typename } query B { __typename }"}, "operation_not_found"),
    ({"query": "query A { __typename }", "operationName": "B"}, "operation_not_found"),
    ({"query": "fragment f on Query { __typename }"}, "graphql_validation_failed"),
    ({"query": "query ($x: ID!) { product(id: $x) { id } }"}, "invalid_variables"),
    ({"query": "query ($x: ID!) { product(id: $x) { id } }", "variables": {"x": {}}}, "invalid_variables"),
    ({"query": "{ a(" + "[" * 3_000}, "query_too_deep"),
    ({"query": "{" + "a " * 2_000 + "}"}, "query_too_large"),
    ({"query": "#" * 20_000}, "query_too_long"),
    ({"query": "{" + "reviews { product { " * 6 + "id" + "} }" * 6 + "}"}, "query_too_deep"),
    ({"query": COSTLY}, "query_too_costly"),
    ({"query": "{" + "".join(f"a{n}: me {{ username }} " for n in range(11)) + "}"}, "query_too_wide"),
    ({"query": "{ reviews(first: " + "9" * 5_000 + ") { text } }"}, "query_too_large"),
    ({"query": "{ ...f } fragment f on Query { ...f }"}, "graphql_validation_failed"),
    (
        {"query": "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }"},
        "graphql_validation_failed",
    ),
]


@pytest.mark.parametrize(("body", "expected"), REQUEST_ERRORS)
async def test_a_request_error_has_no_data_and_says_why(shop: Any, body: Any, expected: str) -> None:
    status, answer = await post(shop, body)
    assert status == 400
    assert expected in [error["extensions"]["reason"] for error in answer["errors"]]
    assert "data" not in answer
    legacy_status, legacy = await post(shop, body, accept=JSON)
    assert legacy_status == 200
    assert [error["message"] for error in legacy["errors"]] == [error["message"] for error in answer["errors"]]


async def test_a_good_request_with_everything_in_it(shop: Any) -> None:
    body = {
        "query": "query A($id: ID!) { product(id: $id) { name } } query B { __typename }",
        "operationName": "A",
        "variables": {"id": 3},
        "extensions": {"anything": 1},
    }
    assert await post(shop, body) == (200, {"data": {"product": {"name": "Product 3"}}})
    assert await post(shop, body, content="application/json; charset=utf-8") == await post(shop, body, accept=JSON)
    assert (await post(shop, {"query": "{__typename}", "operationName": None, "variables": None}))[0] == 200


async def test_a_field_error_keeps_status_200(shop: Any) -> None:
    status, answer = await post(shop, {"query": "{ me { username } }"})
    assert status == 200
    assert answer["data"] == {"me": None}


@pytest.mark.parametrize(
    ("options", "status", "expected"),
    [
        ({"content": "text/plain"}, 415, "unsupported_media_type"),
        ({"content": "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"),
        ({"accept": "text/html"}, 406, "not_acceptable"),
        ({"Authorization": "Bearer nonsense"}, 401, "jwt_malformed"),
        ({"Authorization": "Basic YTpi"}, 401, "token_missing"),
    ],
)
async def test_refusals_of_the_http_request(shop: Any, options: dict[str, str], status: int, expected: str) -> None:
    answered, answer = await post(shop, {"query": "{ __typename }"}, **options)
    assert (answered, reason(answer)) == (status, expected)


async def test_an_expired_token_is_401_with_a_challenge_not_a_visit_as_nobody(shop: Any, neighbours: Any) -> None:
    headers = {"Authorization": f"Bearer {neighbours.token(exp=1)}"}
    async with shop.http.post(f"{shop.url}/graphql", json={"query": "{__typename}"}, headers=headers) as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token"')
        assert reason(await response.json(content_type=None)) == "jwt_expired"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_other_methods_are_405(shop: Any, method: str) -> None:
    async with shop.http.request(method, f"{shop.url}/graphql?query={{__typename}}") as response:
        assert response.status == 405
        assert response.headers["Allow"] == "POST"


async def test_a_body_without_a_declared_length_is_counted_while_it_arrives(shop: Any) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 10_000

    headers = {"Content-Type": JSON}
    async with shop.http.post(f"{shop.url}/graphql", data=endless(), headers=headers) as response:
        assert response.status == 413
        assert reason(await response.json(content_type=None)) == "body_too_large"


@pytest.fixture
def short_of_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before `shop`: its limits are taken at set-up."""
    monkeypatch.setattr(application, "Limits", lambda: replace(Limits(), seconds=0.05))


@pytest.mark.usefixtures("short_of_time")
async def test_an_operation_has_a_deadline(neighbours: Any, shop: Any) -> None:
    neighbours.slow = asyncio.Event()
    body = {"query": "{ product(id: 1) { name } }"}
    status, answer = await post(shop, body)
    assert (status, reason(answer)) == (504, "deadline_exceeded")
    assert (await post(shop, body, accept=JSON))[0] == 200
    neighbours.slow.set()


async def test_the_schema_is_served_as_text(shop: Any) -> None:
    async with shop.http.get(f"{shop.url}/schema.graphql") as response:
        assert response.content_type == "text/plain"
        assert "type Query {" in await response.text()
