from __future__ import annotations

import base64
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.console import Failure
from gateway.cli.instance import find
from gateway.cli.tokens import MARGIN, claims_of, token_for

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def a_token(**claims: Any) -> str:
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{payload}.c2ln"


@pytest.fixture
def shop(installation: Any) -> Any:
    token = a_token(sub="alice", scope="orders:read")
    installation.reply("POST", "/auth/login", {"access_token": token, "expires_in": 600, "token_type": "Bearer"})
    installation.reply("POST", "/auth/token", {"access_token": a_token(sub="partner"), "expires_in": 600})
    installation.reply("GET", "/orders/1001", {"id": 1001}, traceresponse=f"00-{TRACE}-00f067aa0ba902b7-01")
    return installation


def test_a_user_logs_in_with_the_generated_password(shop: Any) -> None:
    result = shop.run("token", "alice")
    assert result.exit_code == 0
    assert claims_of(result.output.strip()) == {"sub": "alice", "scope": "orders:read"}
    assert json.loads(shop.received[0].body) == {"username": "alice", "password": "alice-password"}


def test_the_partner_uses_client_credentials(shop: Any) -> None:
    assert shop.run("token", "partner").exit_code == 0
    sent = shop.received[0]
    assert sent.body == b"grant_type=client_credentials"
    assert base64.b64decode(sent.headers["authorization"].removeprefix("Basic ")) == b"partner:p%3As%2F1"


def test_a_token_is_kept_private_and_used_until_shortly_before_its_end(shop: Any) -> None:
    instance, clock = find(shop.state_dir), [1000.0]
    first = token_for(instance, "alice", now=lambda: clock[0])
    kept = shop.state_dir / "tokens" / "alice.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    clock[0] += 600 - MARGIN - 1
    assert token_for(instance, "alice", now=lambda: clock[0]) == first
    assert len(shop.received) == 1
    clock[0] += 1
    token_for(instance, "alice", now=lambda: clock[0])
    assert len(shop.received) == 2


def test_fresh_logs_in_again(shop: Any) -> None:
    shop.run("token", "alice")
    shop.run("token", "alice", "--fresh")
    assert len(shop.received) == 2


def test_a_refused_login_is_told_with_its_reason(shop: Any) -> None:
    shop.reply("POST", "/auth/login", {"reason": "invalid_credentials"}, status=401)
    with pytest.raises(Failure, match="refused with 401: invalid_credentials"):
        token_for(find(shop.state_dir), "bob")
    assert not (shop.state_dir / "tokens").exists()


@pytest.mark.parametrize("user", ["eve", "profiles", "../alice", "nobody"])
def test_only_known_users_have_tokens(shop: Any, user: str) -> None:
    result = shop.run("token", user)
    assert result.exit_code == 2
    assert "There is: alice, bob, partner, nobody" in result.output
    assert shop.received == []


def test_a_call_carries_the_token_and_shows_what_tells(shop: Any) -> None:
    result = shop.run("call", "alice", "get", "/orders/1001", "-H", "X-Try: 1")
    assert result.exit_code == 0
    assert result.output.startswith("HTTP 200 OK")
    assert '"id": 1001' in result.output
    assert f"trace {TRACE}" in result.output
    sent = shop.received[-1]
    assert (sent.method, sent.headers["x-try"]) == ("GET", "1")
    assert sent.headers["authorization"].startswith("Bearer e30.")


def test_the_printed_trace_command_finds_this_installation(shop: Any) -> None:
    assert f"--state-dir {shop.state_dir}" in shop.run("call", "nobody", "GET", "/orders/1001").output


def test_the_internal_listener_is_asked_when_told(shop: Any) -> None:
    instance = shop.state_dir / "instance.json"
    told = json.loads(instance.read_text())
    result = shop.run("call", "nobody", "--internal", "GET", "/orders/1001")
    assert "no listener named internal" in result.output
    assert shop.received == []
    port = int(told["public_url"].rpartition(":")[2])
    elsewhere = {**told, "public_url": "http://127.0.0.1:9", "ports": {**told["ports"], "internal": port}}
    instance.write_text(json.dumps(elsewhere))
    assert shop.run("call", "nobody", "--internal", "GET", "/orders/1001").exit_code == 0


def test_nobody_has_no_token(shop: Any) -> None:
    shop.run("call", "nobody", "GET", "/orders/1001")
    assert "authorization" not in shop.received[0].headers


def test_a_refused_call_is_exit_code_1_and_leads_to_its_trace(shop: Any) -> None:
    shop.reply("GET", "/orders", {"reason": "rate_limited", "trace_id": TRACE}, status=429, RateLimit='"x";r=0;t=9')
    result = shop.run("call", "nobody", "GET", "/orders")
    assert result.exit_code == 1
    assert 'RateLimit: "x";r=0;t=9' in result.output
    assert f"trace {TRACE}" in result.output


def test_an_answer_cannot_speak_to_the_terminal(shop: Any) -> None:
    shop.reply("GET", "/evil", b"\x1b[2J[bold]hi\nsecond line", Location="\x9b31m")
    printed = shop.run("call", "nobody", "GET", "/evil").output
    assert "\\x1b[2J[bold]hi\nsecond line" in printed
    assert "Location: \\x9b31m" in printed


@pytest.mark.parametrize(
    ("data", "content_type"),
    [
        ('{"a": 1}', "application/json"),
        ('{"a": ', "application/json"),  # meant as JSON: the service shall say what is wrong with it
        ("<Envelope/>", "text/xml; charset=utf-8"),
        ("a=1&b=2", "application/x-www-form-urlencoded"),
    ],
)
def test_the_body_names_its_own_type(shop: Any, data: str, content_type: str) -> None:
    shop.run("call", "nobody", "POST", "/x", "-d", data)
    assert shop.received[0].headers["content-type"] == content_type
    assert shop.received[0].body == data.encode()


def test_a_body_comes_from_a_file_or_from_standard_input(shop: Any, tmp_path: Path) -> None:
    (tmp_path / "body.xml").write_text("<a/>")
    shop.run("call", "nobody", "POST", "/x", "-d", f"@{tmp_path / 'body.xml'}")
    shop.run("call", "nobody", "POST", "/x", "-d", "@-", "-H", "content-type: text/plain", input="typed")
    assert [(got.body, got.headers["content-type"]) for got in shop.received] == [
        (b"<a/>", "text/xml; charset=utf-8"),
        (b"typed", "text/plain"),
    ]
    assert shop.run("call", "nobody", "POST", "/x", "-d", "@/absent").exit_code == 2


def test_json_gives_everything_to_a_program(shop: Any) -> None:
    told = json.loads(shop.run("call", "alice", "GET", "/orders/1001", "--json").output)
    assert (told["status"], told["body"], told["trace_id"]) == (200, {"id": 1001}, TRACE)


def test_a_path_is_a_path(shop: Any) -> None:
    result = shop.run("call", "alice", "GET", "http://evil.test/")
    assert (result.exit_code, shop.received) == (2, [])


@pytest.mark.parametrize("token", ["", "a.b", "a.!!.c", "a.W10.c"])
def test_what_is_no_token_has_no_claims(token: str) -> None:
    assert claims_of(token) == {}


def test_a_development_token_needs_its_issuer(shop: Any) -> None:
    result = shop.run("token", "anna", "--dev")
    assert result.exit_code == 1
    assert "No development issuer runs here" in result.output
    assert shop.run("token", "alice", "--scope", "x").exit_code == 2
