from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

FORWARD: dict[str, Any] = {
    "method": "GET", "target": "/orders/1001",
    "route": {"name": "orders-read", "match": "GET PathPrefix /orders", "where": "shop.yaml:41", "public": False},
    "steps": [
        {"filter": "JWT", "verdict": "pass", "detail": "sub=bob [bold]\x1b[2J", "where": "shop.yaml:12"},
        {"filter": "RateLimit", "verdict": "pass", "detail": "60 of 100 left", "where": "other.yaml:46"},
    ],
    "cluster": {"name": "orders", "healthy": 2, "total": 2},
    "outcome": "forward", "status": None, "reason": None, "not_decided_here": ["does bob own 1001? (orders decides)"],
}  # fmt: skip
DENY = FORWARD | {"outcome": "deny", "status": 401, "reason": "token_missing", "cluster": None, "not_decided_here": []}
NO_ROUTE = DENY | {"outcome": "no_route", "status": 404, "reason": "no_route", "route": None, "steps": []}


def asked(installation: Any) -> dict[str, Any]:
    question = json.loads(installation.received[-1].body)
    assert isinstance(question, dict)
    return question


def test_an_explanation_reads_like_the_way_of_a_request(installation: Any) -> None:
    installation.reply("POST", "/explain", FORWARD)
    result = installation.run("explain", "get", "/orders/1001")
    assert result.exit_code == 0
    lines = [line.rstrip() for line in result.output.splitlines()]
    assert lines[0] == "GET /orders/1001 as nobody · nothing sent, nothing spent"
    assert lines[1].split() == ["route", "orders-read", "GET", "PathPrefix", "/orders", "shop.yaml:41"]
    assert lines[2].endswith(r"pass         sub=bob [bold]\x1b[2J   :12")
    assert lines[3].endswith("60 of 100 left          other.yaml:46")
    assert lines[4:7] == [
        "→ cluster orders, 2 of 2 endpoints healthy",
        "GATEWAY: would forward",
        "NOT DECIDED HERE: does bob own 1001? (orders decides)",
    ]
    assert lines[7].endswith(f"call nobody GET /orders/1001 --state-dir {installation.state_dir}")


def test_endpoints_that_are_not_well_are_named(installation: Any) -> None:
    cluster = {"name": "orders", "healthy": 1, "total": 2, "unhealthy": ["127.0.0.1:2 ejected: 5 failures\x1b[2J"]}
    installation.reply("POST", "/explain", FORWARD | {"cluster": cluster})
    lines = installation.run("explain", "get", "/orders/1001").output.splitlines()
    assert lines[4:6] == ["→ cluster orders, 1 of 2 endpoints healthy", r"  127.0.0.1:2 ejected: 5 failures\x1b[2J"]


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [(DENY, "would refuse with 401, reason token_missing"), (NO_ROUTE, "would refuse with 404, reason no_route")],
)
def test_a_refusal_is_exit_code_1(installation: Any, answer: dict[str, Any], outcome: str) -> None:
    installation.reply("POST", "/explain", answer)
    result = installation.run("explain", "GET", "/orders")
    assert result.exit_code == 1
    assert f"GATEWAY: {outcome}" in result.output


def test_json_is_the_answer_itself(installation: Any) -> None:
    installation.reply("POST", "/explain", FORWARD)
    assert json.loads(installation.run("explain", "GET", "/orders", "--json").output) == FORWARD


def test_a_path_is_asked_about_as_typed(installation: Any) -> None:
    installation.reply("POST", "/explain", FORWARD)
    installation.run("explain", "GET", "//evil/%2e%2e/x", "-H", "X-A: 1")
    assert asked(installation)["url"] == f"{installation.url}//evil/%2e%2e/x"
    assert asked(installation)["headers"] == [["X-A", "1"]]


def test_an_address_brings_its_own_host(installation: Any) -> None:
    installation.reply("POST", "/explain", FORWARD)
    installation.run("explain", "GET", "http://shop.example/a?b=c")
    assert asked(installation)["headers"] == [["Host", "shop.example"]]


def test_a_user_is_asked_for_with_the_claims_of_a_real_token(installation: Any) -> None:
    payload = base64.urlsafe_b64encode(b'{"sub": "bob", "scope": "orders:read"}').decode()
    installation.reply("POST", "/auth/login", {"access_token": f"e30.{payload}.x", "expires_in": 600})
    installation.reply("POST", "/explain", FORWARD)
    assert "as bob" in installation.run("explain", "GET", "/orders", "--as", "bob").output
    assert asked(installation)["claims"] == {"sub": "bob", "scope": "orders:read"}
    assert "e30." not in installation.received[-1].body.decode()  # the token itself stays here


def test_claims_may_be_made_up(installation: Any) -> None:
    installation.reply("POST", "/explain", FORWARD)
    result = installation.run("explain", "GET", "/orders", "--claims", '{"sub": "eve"}')
    assert asked(installation)["claims"] == {"sub": "eve"}
    assert "Send it" not in result.output  # no user could send that


@pytest.mark.parametrize(
    "words", [["--claims", "{"], ["--claims", "[]"], ["--claims", "{}", "--as", "bob"], ["-H", "nocolon"]]
)
def test_a_wrong_question_is_misuse(installation: Any, words: list[str]) -> None:
    assert installation.run("explain", "GET", "/orders", *words).exit_code == 2
    assert installation.received == []


@pytest.mark.parametrize("url", ["orders", "ftp://x/y", "http://"])
def test_what_is_neither_path_nor_address_is_misuse(installation: Any, url: str) -> None:
    assert installation.run("explain", "GET", url).exit_code == 2


CONFIG = """\
listeners: [{name: public, port: 8088}]
providers:
  - name: shop
    issuer: https://shop.example
    audiences: [shop]
    jwks: {cluster: identity, path: /jwks.json}
clusters: [{name: identity, service: identity}, {name: orders, service: orders}]
routes:
  - name: orders
    matches: [{path: {value: /orders}, method: GET}]
    filters:
      - {type: JWT, provider: shop}
      - {type: Authorize, scopes: [orders:read]}
    backendRefs: [{cluster: orders}]
"""


@pytest.fixture
def offline(installation: Any, tmp_path: Path) -> Callable[..., Result]:
    """Ask a file while nothing runs."""
    (installation.state_dir / "instance.json").unlink()
    file = tmp_path / "shop.yaml"
    file.write_text(CONFIG)
    return lambda *words: installation.run("explain", *words, "--config", str(file))


def test_a_file_answers_for_itself(offline: Callable[..., Result]) -> None:
    allowed = offline("GET", "/orders/1", "--claims", '{"sub": "eve", "scope": "orders:read"}')
    assert allowed.exit_code == 0
    assert "→ cluster orders, whose endpoints are not known here" in allowed.output
    assert "Send it" not in allowed.output
    denied = offline("GET", "/orders/1", "--claims", '{"sub": "eve", "scope": ""}')
    assert (denied.exit_code, "reason insufficient_scope" in denied.output) == (1, True)
    assert offline("GET", "/orders/1").exit_code == 1


def test_without_a_route_it_says_what_came_near(offline: Callable[..., Result]) -> None:
    assert "wants method GET" in offline("DELETE", "/orders/1").output


def test_a_file_cannot_check_a_token(offline: Callable[..., Result]) -> None:
    result = offline("GET", "/orders", "-H", "Authorization: Bearer x")
    assert (result.exit_code, "give --claims" in result.output) == (2, True)


def test_a_user_needs_something_that_runs(offline: Callable[..., Result]) -> None:
    result = offline("GET", "/orders", "--as", "bob")
    assert (result.exit_code, "Nothing runs" in result.output) == (1, True)


def test_who_connects_is_passed_on(installation: Any) -> None:
    installation.reply("POST", "/explain", FORWARD)
    result = installation.run(
        "explain", "GET", "/", "--from", "192.0.2.7", "--principal", "a.example", "--principal", "b"
    )
    assert result.exit_code == 0
    assert "Send it:" not in result.output
    question = asked(installation)
    assert (question["client"], question["principals"]) == ("192.0.2.7", ["a.example", "b"])
    installation.run("explain", "GET", "/")
    assert {"client", "principals"} & asked(installation).keys() == set()
    assert installation.run("explain", "GET", "/", "--from", "nowhere").exit_code == 2


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PAST: dict[str, Any] = {
    "trace_id": TRACE, "time": "2026-11-27T10:00:00.000Z", "worker": "gateway-1", "client": "127.0.0.1",
    "method": "GET", "target": "/orders/1\x1b[2J", "subject": "bob", "outcome": "deny", "decided_by": "gateway",
    "route": {"name": "orders-read", "matched": "/orders", "where": "shop.yaml:41", "public": False},
    "seen": [["header x-kind", "a"]],
    "steps": [{"filter": "JWT", "verdict": "deny", "detail": "it has expired", "where": "shop.yaml:12"}],
    "status": 401, "reason": "jwt_expired", "detail": "the token has expired; get a new one", "policy": "shop.yaml:12",
}  # fmt: skip
FROM_SERVICE = PAST | {
    "outcome": "service_refused", "decided_by": "shop", "status": 403, "reason": "", "detail": "", "policy": "",
    "cluster": {"name": "shop", "endpoint": "127.0.0.1:9", "attempts": 2, "status": 403, "duration_ms": 2.04},
}  # fmt: skip
SERVICES = [
    {"service": "orders", "operation": "GET /orders/{id}", "status": 403, "reason": "not_owner"},
    {"service": "identity", "operation": "POST /introspect", "status": 401, "reason": ""},
]


def past(installation: Any, one: dict[str, Any], services: list[Any] | None = None) -> list[str]:
    answer = {"trace_id": TRACE, "explanations": [one], "services": services or []}
    installation.reply("GET", f"/explanations/{TRACE}", answer)
    result = installation.run("explain", "--trace", TRACE)
    assert result.exit_code == (0 if one["outcome"] == "forwarded" else 1)
    return [line.rstrip() for line in result.output.splitlines()]


def test_a_past_refusal_names_the_line_that_refused(installation: Any) -> None:
    lines = past(installation, PAST)
    assert lines[0] == r"GET /orders/1\x1b[2J as bob · 2026-11-27 10:00:00.000 UTC, from 127.0.0.1, gateway-1"
    assert [line.split() for line in lines[1:4]] == [
        ["route", "orders-read", "/orders", "shop.yaml:41"],
        ["header", "x-kind", "a"],
        ["1", "JWT", "deny", "it", "has", "expired", ":12"],
    ]
    assert lines[4:] == [
        "GATEWAY: refused with 401, reason jwt_expired, by shop.yaml:12",
        "Told: the token has expired; get a new one",
        "What to do: docs/problems.md, jwt_expired",
    ]


def test_a_services_refusal_is_quoted_from_the_trace(installation: Any) -> None:
    assert past(installation, FROM_SERVICE, SERVICES)[4:] == [
        "→ cluster shop, 127.0.0.1:9, 2 tries, 403 after 2.0 ms",
        "SERVICE orders: refused with 403, reason not_owner",
        "Before that identity had answered 401",
    ]
    without = past(installation, FROM_SERVICE)
    assert without[5] == "SERVICE shop: refused with 403"
    assert "passed its answer on unread" in without[6]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"outcome": "forwarded", "decided_by": "orders", "status": 200}, "SERVICE orders: answered 200; the gateway"),
        ({"outcome": "client_gone"}, "CLIENT: left before"),
        ({"outcome": "failed", "status": 504, "policy": ""}, "GATEWAY: answered for the service with 504"),
    ],
)
def test_other_ends(installation: Any, change: dict[str, Any], line: str) -> None:
    assert past(installation, PAST | change)[4].startswith(line)


def test_the_start_of_an_id_is_enough_unless_two_share_it(installation: Any) -> None:
    past(installation, PAST)
    installation.reply("GET", "/explanations", {"explanations": [{"trace_id": TRACE}, {"trace_id": "4bf9" + "0" * 28}]})
    found = installation.run("explain", "--trace", TRACE[:6], "--json")
    assert json.loads(found.output)["trace_id"] == TRACE
    assert installation.run("explain", "--trace", "4BF9").exit_code == 2


def test_an_unknown_trace_says_why_it_may_be_unknown(installation: Any) -> None:
    detail = {"reason": "no_such_explanation", "detail": "the latest are kept"}
    installation.reply("GET", f"/explanations/{TRACE}", detail, status=404)
    result = installation.run("explain", "--trace", TRACE)
    assert (result.exit_code, "the latest are kept" in result.output) == (1, True)
    installation.reply("GET", "/explanations", {"explanations": []})
    assert installation.run("explain", "--trace", "beef").exit_code == 1


@pytest.mark.parametrize("words", [["--trace", "x"], ["--trace", TRACE, "GET", "/"], ["GET"], []])
def test_either_a_request_or_a_trace(installation: Any, words: list[str]) -> None:
    assert installation.run("explain", *words).exit_code == 2
    assert installation.received == []


def test_a_file_with_a_store_asks_no_redis(offline: Callable[..., Result], tmp_path: Path) -> None:
    limit = "- {type: Quota, store: shared, onStoreFailure: fail_closed, requests: 9, per: 12h}"
    text = CONFIG.replace("    backendRefs", f"      {limit}\n    backendRefs")
    (tmp_path / "shop.yaml").write_text(text + "stores: [{name: shared, service: redis}]\n")
    allowed = offline("GET", "/orders/1", "--claims", '{"sub": "eve", "scope": "orders:read"}')
    assert allowed.exit_code == 0
    assert "9 of 9 per 12 h left for address 127.0.0.1" in allowed.output


def test_a_body_is_asked_about_with_its_content_type(installation: Any, tmp_path: Path) -> None:
    installation.reply("POST", "/explain", FORWARD)
    installation.run("explain", "POST", "/graphql", "-d", '{"query": "{ me { id } }"}')
    question = asked(installation)
    assert question["body"] == '{"query": "{ me { id } }"}'
    assert question["headers"] == [["Content-Type", "application/json"]]
    (tmp_path / "body.xml").write_text("<a/>")
    installation.run("explain", "POST", "http://shop.test/soap", "-d", f"@{tmp_path}/body.xml")
    assert asked(installation)["headers"] == [["Host", "shop.test"], ["Content-Type", "text/xml; charset=utf-8"]]


def test_only_text_can_be_asked_about(installation: Any, tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(b"\xff")
    result = installation.run("explain", "POST", "/graphql", "-d", f"@{tmp_path}/body")
    assert result.exit_code == 2
    assert "UTF-8" in result.output
