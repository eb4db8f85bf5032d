"""API keys, good and bad, from real files that change while they are used."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.filters.api_key import ApiKeyFilter
from gateway.http.messages import Reply
from gateway.spec.api_keys import digest, read_keys
from gateway.spec.filters import ApiKey, ClaimToHeader

ACME = "ghk_0a1b2c3d4e5f_" + "A" * 43
RIVAL = "ghk_ffffffffffff_" + "B" * 43
LATER = "1970-01-12T13:56:40Z"
"""A thousand seconds after the clock of the tests begins."""


def entry(key: str, **more: Any) -> dict[str, Any]:
    named = {"owner": "acme", "plan": "gold", "scopes": ["read", "write"], "created": "1970-01-01T00:00:00Z"}
    return {"id": key.split("_")[1], "sha256": digest(key.encode()), **named, **more}


Write = Callable[..., None]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


@pytest.fixture
def write(file: Path) -> Write:
    def put(*entries: dict[str, Any]) -> None:
        fresh = file.with_name("fresh.json")
        fresh.write_text(json.dumps({"keys": entries}))
        fresh.replace(file)

    put(entry(ACME))
    return put


@pytest.fixture
def check(file: Path, write: Write, build: Any, ask: Any) -> Callable[..., Any]:
    told = (ClaimToHeader(claim="sub", header="x-partner"),)
    one = ApiKeyFilter(ApiKey(keys=str(file), claims_to_headers=told), build())

    def run(*fields: str, path: str = "/") -> Any:
        request = ask(path, *fields)
        reply = one.decide(request)
        return reply, request

    run.filter = one  # type: ignore[attr-defined]
    return run


def reason(answer: tuple[Reply | None, Any]) -> str | None:
    return answer[0].reason if answer[0] else None


def test_a_good_key_says_what_a_token_would(check: Any) -> None:
    reply, request = check(f"X-API-Key: {ACME}", "X-Partner: rival", "x_api_key: mine", "Accept: */*")
    assert reply is None
    assert request.subject == "acme"
    assert request.claims == {"sub": "acme", "key_id": "0a1b2c3d4e5f", "plan": "gold", "scope": "read write"}
    assert request.headers == [(b"host", b"shop.test"), (b"accept", b"*/*"), (b"x-partner", b"acme")]
    assert b"x-api-key" not in request.fields


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ([], "api_key_missing"),
        ([f"Authorization: {ACME}"], "api_key_missing"),
        ([f"X-API-Key: {ACME}", f"X-API-Key: {ACME}"], "api_key_missing"),
        (["X-API-Key: "], "api_key_invalid"),
        ([f"X-API-Key: {RIVAL}"], "api_key_invalid"),
        ([f"X-API-Key: {ACME[:-1]}B"], "api_key_invalid"),
        ([f"X-API-Key: {ACME}A"], "api_key_invalid"),
        ([f"X-API-Key: {ACME.upper()}"], "api_key_invalid"),
        ([f"X-API-Key: Bearer {ACME}"], "api_key_invalid"),
        ([f"X-API-Key: {digest(ACME.encode())}"], "api_key_invalid"),
    ],
)
def test_everything_else_is_refused(check: Any, fields: list[str], expected: str) -> None:
    reply, request = check(*fields, path=f"/?api_key={ACME}&x-api-key={ACME}")
    assert (reply.status, reply.reason) == (401, expected)
    assert dict(reply.headers)[b"www-authenticate"] == b'ApiKey realm="gatehouse", header="x-api-key"'
    assert (request.claims, request.subject) == (None, "")


def test_a_key_has_an_end(check: Any, write: Write, clock: Any) -> None:
    write(entry(ACME, expires=LATER))
    clock.now += 2
    assert reason(check(f"X-API-Key: {ACME}")) is None
    clock.now = 1_001_000.0
    assert reason(check(f"X-API-Key: {ACME}")) == "api_key_expired"
    assert reason(check(f"X-API-Key: {ACME[:-1]}B")) == "api_key_invalid"  # its end is told to its holder only


def test_two_keys_of_one_owner_until_the_first_is_revoked(check: Any, write: Write, clock: Any) -> None:
    write(entry(ACME), entry(RIVAL, owner="acme"))
    clock.now += 2
    assert [reason(check(f"X-API-Key: {key}")) for key in (ACME, RIVAL)] == [None, None]
    write(entry(ACME, revoked="1970-01-01T00:00:00Z"), entry(RIVAL, owner="acme"))
    clock.now += 2
    assert [reason(check(f"X-API-Key: {key}")) for key in (ACME, RIVAL)] == ["api_key_revoked", None]


def test_the_file_is_looked_at_once_a_second(check: Any, write: Write, clock: Any) -> None:
    write()
    assert reason(check(f"X-API-Key: {ACME}")) is None
    clock.now += 1
    assert reason(check(f"X-API-Key: {ACME}")) == "api_key_invalid"


@pytest.mark.parametrize("broken", ["", "{", '{"keys": 7}', '{"keys": [{}]}', None])
def test_a_broken_file_shuts_nobody_out(check: Any, file: Path, clock: Any, broken: str | None) -> None:
    file.unlink()
    if broken is not None:
        file.write_text(broken)
    clock.now += 2
    assert reason(check(f"X-API-Key: {ACME}")) is None
    assert check.filter._ring._loads.values == {("loaded",): 1, ("failed",): 1}


def test_without_any_file_there_is_no_answer(file: Path, build: Any, ask: Any) -> None:
    one = ApiKeyFilter(ApiKey(keys=str(file)), build())
    reply = one.decide(ask("/", f"X-API-Key: {ACME}"))
    assert isinstance(reply, Reply)
    assert (reply.status, reply.reason) == (503, "api_keys_unavailable")


def test_an_explanation_names_the_key_by_its_id(check: Any, write: Write, clock: Any) -> None:
    write(entry(ACME, expires=LATER))
    clock.now += 2
    reply, request = check(f"X-API-Key: {ACME}")
    told = check.filter.explain(request, reply)
    assert told == "key 0a1b2c3d4e5f of acme, plan gold, expires in 0 days"
    assert ACME[-43:] not in repr(check.filter._ring) + told


@pytest.mark.parametrize(
    ("content", "mode", "message"),
    [
        ('{"keys": []}', 0o620, "other users can write"),
        ('{"keys": []}', 0o602, "other users can write"),
        ('{"keys": [{"id": "x"}]}', 0o600, "keys.0.id"),
        (json.dumps({"keys": [entry(ACME), entry(ACME)]}), 0o600, "two keys with one id"),
        (json.dumps({"keys": [entry(ACME, expires="2030-01-01T00:00:00")]}), 0o600, "timezone"),
        (json.dumps({"keys": [entry(ACME, scopes=["a b"])]}), 0o600, "keys.0.scopes.0"),
        (json.dumps({"keys": [entry(ACME, secret="x")]}), 0o600, "keys.0.secret"),
        ('"' + "x" * 5_000_000 + '"', 0o600, "larger than"),
    ],
    ids=range(8),
)
def test_files_that_are_refused(file: Path, content: str, mode: int, message: str) -> None:
    file.write_text(content)
    file.chmod(mode)
    with pytest.raises(ValueError, match=message):
        read_keys(file)
