from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest

from gateway.cli.dev_issuer import AUDIENCE, ISSUER, LIFETIME, ensure_key, key_file, load_key, public_jwk, sign
from gateway.cli.processes import wait_until
from gateway.cli.quick import listens
from gateway.cli.wire import send


def test_the_key_is_made_once_and_private(tmp_path: Path) -> None:
    ensure_key(tmp_path / "state")
    first = key_file(tmp_path / "state").read_bytes()
    ensure_key(tmp_path / "state")
    assert key_file(tmp_path / "state").read_bytes() == first
    assert stat.S_IMODE(key_file(tmp_path / "state").stat().st_mode) == 0o600
    assert stat.S_IMODE(key_file(tmp_path / "state").parent.stat().st_mode) == 0o700
    assert load_key(tmp_path) is None


def test_a_token_verifies_with_the_published_key_and_no_longer_than_it_says(tmp_path: Path) -> None:
    ensure_key(tmp_path)
    key = load_key(tmp_path)
    assert key is not None
    token = sign(key, "anna", ("a:read", "b:write"), now=1_000)
    published = jwt.PyJWK(public_jwk(key))
    claims = jwt.decode(token, published, audience=AUDIENCE, issuer=ISSUER, options={"verify_exp": False})
    assert (claims["sub"], claims["scope"]) == ("anna", "a:read b:write")
    assert claims["exp"] - claims["iat"] == LIFETIME
    header = jwt.get_unverified_header(token)
    assert (header["typ"], header["alg"], header["kid"]) == ("at+jwt", "EdDSA", published.key_id)


def test_the_published_key_holds_no_private_part(tmp_path: Path) -> None:
    ensure_key(tmp_path)
    key = load_key(tmp_path)
    assert key is not None
    assert set(public_jwk(key)) == {"kty", "crv", "x", "kid", "use", "alg"}


@contextmanager
def running(state_dir: Path) -> Iterator[tuple[subprocess.Popen[bytes], str, int]]:
    """The issuer as the supervisor starts it: the process, its URL, and the lifeline's writing end."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings_read, settings_write = os.pipe()
    life_read, life_write = os.pipe()
    settings: dict[str, Any] = {"host": "127.0.0.1", "port": port, "data_dir": str(key_file(state_dir).parent)}
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli.dev_issuer", "--settings-fd", str(settings_read)],
        pass_fds=(settings_read, life_read),
    )
    for descriptor in (settings_read, life_read):
        os.close(descriptor)
    with os.fdopen(settings_write, "w") as pipe:
        json.dump(settings | {"lifeline_fd": life_read}, pipe)
    try:
        assert wait_until(lambda: listens("127.0.0.1", port), 10)
        yield process, f"http://127.0.0.1:{port}", life_write
    finally:
        process.kill()
        process.wait()


def test_the_process_publishes_the_key_and_gives_no_tokens(tmp_path: Path) -> None:
    ensure_key(tmp_path)
    key = load_key(tmp_path)
    assert key is not None
    with running(tmp_path) as (process, url, life):
        assert send(url, "GET", "/jwks.json").json() == {"keys": [public_jwk(key)]}
        assert send(url, "POST", "/token", body=b"grant_type=client_credentials").status == 404
        process.terminate()
        assert process.wait(5) == 0
        os.close(life)


def test_the_process_ends_with_its_supervisor(tmp_path: Path) -> None:
    ensure_key(tmp_path)
    with running(tmp_path) as (process, _, life):
        os.close(life)
        assert process.wait(5) == 0


@pytest.mark.parametrize("name", ["", "a b", "\x1b", "x" * 65])
def test_a_name_must_be_a_name(installation: Any, name: str) -> None:
    assert installation.run("token", name, "--dev").exit_code == 2


def test_a_token_is_signed_here_without_asking_anybody(installation: Any) -> None:
    ensure_key(installation.state_dir)
    result = installation.run("token", "anna", "--dev", "--scope", "orders:read", "--claims")
    assert (json.loads(result.output)["sub"], json.loads(result.output)["scope"]) == ("anna", "orders:read")
    assert installation.received == []


def test_a_claim_adds_to_a_token_and_never_replaces_what_makes_it_one(installation: Any) -> None:
    ensure_key(installation.state_dir)
    result = installation.run("token", "anna", "--dev", "--claim", "plan=gold", "--claim", "sub=bob", "--claims")
    assert (json.loads(result.output)["sub"], json.loads(result.output)["plan"]) == ("anna", "gold")
    assert installation.run("token", "anna", "--dev", "--claim", "gold").exit_code == 2
    assert installation.run("token", "anna", "--claim", "plan=gold").exit_code == 2
