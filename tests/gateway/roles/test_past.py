"""What is written down of requests that are over, through a real gateway: denied and sampled ones, and no other."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import orjson
import pytest

from gateway.filters.base import Filter
from gateway.roles import past
from gateway.roles.past import MAX_DENIED, MAX_PASSED, Past

CONFIG = """
listeners: [{{name: public, port: 0}}]
clusters: [{{name: shop, endpoints: ["{address}"]}}]
providers: [{{name: id, issuer: "https://id.test", audiences: [shop], jwks: {{cluster: shop, path: /jwks}}}}]
filters:
  - {{type: RateLimit, name: all, requests: 2}}
routes:
  - name: open
    public: true
    matches:
      - path: {{value: /open}}
        headers: [{{name: X-Kind, value: a}}, {{name: X-Api-Key, type: RegularExpression, value: ".*"}}]
    backendRefs: [{{cluster: shop}}]
  - name: closed
    matches: [{{path: {{value: /closed}}, method: GET}}]
    filters: [{{type: JWT, provider: id}}, {{type: Authorize, scopes: [read]}}]
    backendRefs: [{{cluster: shop}}]
"""
HEADERS = ("X-Kind: a", "X-Api-Key: opensesame")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def last(path: str, *fields: str, method: str = "GET") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: gateway.test", "Connection: close", *fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def taken(edge: Any) -> list[dict[str, Any]]:
    """What would go to the control process."""
    message = json.loads(orjson.dumps(edge.worker.past.take() or {"explanations": []}))
    explanations: list[dict[str, Any]] = message["explanations"]
    return explanations


@pytest.fixture
async def edge(upstream: Any, gateway: Any) -> Any:
    shop = await upstream(OK)
    started = await gateway(CONFIG.format(address=shop.address))
    started.worker.watched = True
    return started


async def test_a_denied_request_is_explained_up_to_the_filter_that_denied(edge: Any) -> None:
    answer = await edge.raw(last("/closed/1?token=hidden"))
    problem = json.loads(answer.partition(b"\r\n\r\n")[2])
    (told,) = taken(edge)
    assert told["trace_id"] == problem["trace_id"]
    assert (told["outcome"], told["decided_by"]) == ("deny", "gateway")
    assert (told["status"], told["reason"], told["policy"]) == (401, "token_missing", problem["policy"])
    assert (told["route"]["name"], told["target"], told["version"]) == ("closed", "/closed/1", 1)
    # Two filters stand on one line, and the one behind the one that denied was not asked.
    assert [(step["filter"], step["verdict"]) for step in told["steps"]] == [("RateLimit", "pass"), ("JWT", "deny")]
    assert told["steps"][0]["detail"] == "1 of 2 left for address 127.0.0.1"
    assert "hidden" not in str(told)


async def test_buckets_are_told_as_they_were(edge: Any) -> None:
    for _ in range(3):
        await edge.raw(last("/open", *HEADERS))
    (told,) = taken(edge)  # the two that passed are not sampled
    assert (told["status"], told["reason"]) == (429, "rate_limited")
    assert told["steps"] == [
        {
            "filter": "RateLimit",
            "verdict": "deny",
            "detail": "0 of 2 left for address 127.0.0.1",
            "where": "test.yaml:6",
        }
    ]


async def test_values_are_shown_and_secrets_are_not(edge: Any) -> None:
    edge.worker.sample_ratio = 1.0
    await edge.raw(last("/open", *HEADERS))
    (told,) = taken(edge)
    assert told["seen"] == [["header x-api-key", "(10 characters, masked)"], ["header x-kind", "a"]]
    assert "opensesame" not in str(told)
    assert (told["outcome"], told["decided_by"], told["status"]) == ("forwarded", "shop", 200)
    assert told["cluster"]["status"] == 200


async def test_good_requests_that_nobody_records_cost_nothing(edge: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("an allowed request was explained")

    monkeypatch.setattr(past, "past_explanation", never)
    assert (await edge.raw(last("/open", *HEADERS))).startswith(b"HTTP/1.1 200 ")
    assert edge.worker.past.take() is None


async def test_nothing_is_kept_while_nobody_listens(edge: Any) -> None:
    edge.worker.watched = False
    await edge.raw(last("/nowhere"))
    await edge.raw(b"rubbish\r\n\r\n")
    assert edge.worker.past.take() is None


async def test_without_a_route_the_near_ones_are_told(edge: Any) -> None:
    await edge.raw(last("/closed", method="DELETE"))
    (told,) = taken(edge)
    assert (told["outcome"], told["route"], told["steps"]) == ("no_route", None, [])
    assert told["candidates"][0]["text"] == "matched the path but wants method GET"


async def test_bytes_that_were_no_request_have_an_explanation_too(edge: Any) -> None:
    answer = await edge.raw(last("/a/../b"))
    (told,) = taken(edge)
    assert told["trace_id"] == json.loads(answer.partition(b"\r\n\r\n")[2])["trace_id"]
    assert (told["outcome"], told["reason"]) == ("unreadable", "path_dot_segment")


async def test_the_services_refusal_is_the_services(upstream: Any, gateway: Any) -> None:
    shop = await upstream(b"HTTP/1.1 409 Conflict\r\nContent-Length: 0\r\n\r\n")
    edge = await gateway(CONFIG.format(address=shop.address))
    edge.worker.watched = True
    await edge.raw(last("/open", *HEADERS))
    (told,) = taken(edge)
    assert (told["outcome"], told["decided_by"], told["status"], told["reason"]) == ("service_refused", "shop", 409, "")
    assert told["cluster"]["endpoint"] == shop.address


async def test_a_service_that_is_not_there_is_told_as_the_gateways_answer(gateway: Any) -> None:
    edge = await gateway(CONFIG.format(address="127.0.0.1:9"))
    edge.worker.watched = True
    await edge.raw(last("/open", *HEADERS))
    (told,) = taken(edge)
    assert (told["outcome"], told["decided_by"]) == ("failed", "gateway")
    assert told["reason"] == "upstream_connect_failure"
    assert [step["verdict"] for step in told["steps"]] == ["pass"]


async def test_a_filter_that_waits_is_told_as_waiting(upstream: Any, gateway: Any) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    shop = await upstream(silent)
    edge = await gateway(CONFIG.format(address=shop.address))
    edge.worker.watched = True
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.ports["public"])
    # {"alg": "EdDSA", "kid": "new", "typ": "at+jwt"}: a key that must be asked for
    token = "eyJhbGciOiJFZERTQSIsImtpZCI6Im5ldyIsInR5cCI6ImF0K2p3dCJ9.e30." + "A" * 86
    writer.write(last("/closed", f"Authorization: Bearer {token}"))
    while not any(exchange._task for exchange in edge.worker.exchanges):
        await asyncio.sleep(0)
    await asyncio.sleep(0)  # the filter's own waiting begins
    next(iter(edge.worker.exchanges)).cut_off()
    (told,) = taken(edge)
    assert (told["outcome"], told["reason"]) == ("failed", "drain_timeout")
    assert [(step["filter"], step["verdict"]) for step in told["steps"]] == [("RateLimit", "pass"), ("JWT", "wait")]
    await reader.read()
    writer.close()


async def test_a_filter_that_fails_twice_does_not_cost_the_answer(edge: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    jwt = edge.worker.snapshot.filters["closed", 0]
    monkeypatch.setattr(type(jwt), "explain", broken)
    assert issubclass(type(jwt), Filter)
    assert (await edge.raw(last("/closed"))).startswith(b"HTTP/1.1 401 ")
    (told,) = taken(edge)
    assert told["steps"][-1]["detail"] == "it failed; see the worker's log"


async def test_a_flood_of_either_kind_does_not_push_out_the_other(edge: Any) -> None:
    edge.worker.sample_ratio = 1.0
    await edge.raw(last("/open", *HEADERS))
    kept = edge.worker.past
    (passed,) = kept._passed.documents
    for _ in range(MAX_DENIED + 5):
        if kept._denied.has_room():
            kept._denied.add(json.loads(passed))
    for _ in range(MAX_PASSED):
        if kept._passed.has_room():
            kept._passed.add(json.loads(passed))
    message = kept.take()
    assert len(message["explanations"]) == MAX_DENIED + MAX_PASSED
    assert message["dropped"] == 5 + 1
    assert kept.take() is None


def test_large_explanations_are_fewer() -> None:
    kept = Past()
    while kept._denied.has_room():
        kept._denied.add({"target": "x" * 50_000})
    message = kept.take()
    assert message is not None
    assert len(message["explanations"]) == 8


async def test_an_explanation_that_fails_does_not_cost_the_answer(edge: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(past, "past_explanation", broken)
    assert (await edge.raw(last("/nowhere"))).startswith(b"HTTP/1.1 404 ")
    assert edge.worker.past.take() == {"explanations": [], "dropped": 1}
