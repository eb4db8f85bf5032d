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
        {"filter": "RateLimit", "verdict": "pass", "detail": "60 of 100 left, none spent", "where": "other.yaml:46"},
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
    assert lines[0] == "GET /orders/1001 as nobody · nothing sent"
    assert lines[1].split() == ["route", "orders-read", "GET", "PathPrefix", "/orders", "shop.yaml:41"]
    assert lines[2].endswith(r"pass         sub=bob [bold]\x1b[2J       :12")
    assert lines[3].endswith("60 of 100 left, none spent  other.yaml:46")
    assert lines[4:7] == [
        "→ cluster orders, 2 of 2 endpoints healthy",
        "GATEWAY: would forward",
        "NOT DECIDED HERE: does bob own 1001? (orders decides)",
    ]
    assert lines[7].endswith(f"call nobody GET /orders/1001 --state-dir {installation.state_dir}")


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
