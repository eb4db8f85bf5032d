"""shipping as a real process, with identity's real tokens; and its own tests, in its own language."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.sample_services.contracts import check_answer

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="shipping is written for Node.js: no node here")
FOLDER = Path(str(files("sample_services.shipping")))
USERS = {"alice": "a-password-of-alice", "carol": "a-password-of-carol"}
ORDER = {"order_id": 1001, "country": "DE", "grams": 500, "service": "express"}


def test_its_own_tests() -> None:
    script = Path(__file__).with_name("shipping.test.mjs")
    done = subprocess.run(["node", "--test", str(script)], capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stdout + done.stderr


def send(url: str, method: str, path: str, token: str | None = None, body: Any = None, **more: str) -> tuple[int, Any]:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {}) | more
    data = None if body is None else json.dumps(body).encode()
    try:
        with urlopen(Request(url + path, data, headers, method=method), timeout=10) as answer:
            status, media_type, found = answer.status, answer.headers.get_content_type(), json.load(answer)
    except HTTPError as error:
        with error:
            status, media_type, found = error.code, error.headers.get_content_type(), json.load(error)
    if path.startswith("/shipping"):
        document = json.loads((FOLDER / "openapi.json").read_text("utf-8"))
        check_answer(document, method, path.partition("?")[0], status, media_type, found)
    return status, found


def test_the_document_is_openapi_3_1() -> None:
    OpenAPIV31SpecValidator(json.loads((FOLDER / "openapi.json").read_text("utf-8"))).validate()


@pytest.fixture
def shop(start_service: Any) -> tuple[Any, Any]:
    identity = start_service("identity", "sample_services.identity", secrets={"users": USERS})
    shipping = start_service("shipping", FOLDER / "main.mjs", peers={"identity": identity.url})
    return identity, shipping


def token(identity: Any, user: str) -> str:
    login = {"username": user, "password": USERS[user]}
    return str(send(identity.url, "POST", "/login", body=login)[1]["access_token"])


def forged(good: str, **changes: Any) -> str:
    """Another header, the same signature."""
    header, rest = good.split(".", 1)
    document = json.loads(base64.urlsafe_b64decode(header + "=="))
    text = base64.urlsafe_b64encode(json.dumps(document | changes).encode()).rstrip(b"=").decode()
    return f"{text}.{rest}"


def test_who_may_send(shop: tuple[Any, Any]) -> None:
    identity, shipping = shop
    path = "/shipping/shipments"
    assert send(shipping.url, "POST", path, body=ORDER)[1]["reason"] == "token_missing"
    assert send(shipping.url, "POST", path, token(identity, "alice"), ORDER)[1]["reason"] == "insufficient_scope"
    good = token(identity, "carol")
    for changes, reason in (
        ({"alg": "none"}, "jwt_bad_algorithm"),
        ({"alg": "HS256"}, "jwt_bad_algorithm"),
        ({"kid": "x"}, "jwt_unknown_key"),
        ({"jwk": {}}, "jwt_bad_header"),
        ({"typ": "JWT"}, "jwt_wrong_type"),
        ({"cty": "x"}, "jwt_bad_signature"),
    ):
        assert send(shipping.url, "POST", path, forged(good, **changes), ORDER)[1]["reason"] == reason
    assert send(shipping.url, "POST", path, good[:-2] + "AA", ORDER)[0] == 401
    assert send(shipping.url, "POST", path, "x.y", ORDER)[1]["reason"] == "jwt_malformed"
    trace = "0af7651916cd43dd8448eb211c80319c"
    status, _ = send(shipping.url, "POST", path, good, ORDER, traceparent=f"00-{trace}-b7ad6b7169203331-01")
    assert status == 201
    assert shipping.stop() == 0  # and has written all it knows: a line follows its answer
    assert shipping.log_lines("request")[-1]["trace_id"] == trace
    assert good not in shipping.log_text()


def test_shipments_survive_kill_9(shop: tuple[Any, Any], start_service: Any) -> None:
    identity, shipping = shop
    made = send(shipping.url, "POST", "/shipping/shipments", token(identity, "carol"), ORDER)[1]
    shipping.kill()
    again = start_service("shipping", FOLDER / "main.mjs", peers={"identity": identity.url})
    assert send(again.url, "GET", f"/shipping/shipments/{made['tracking']}") == (200, made)
    assert again.stop() == 0
    assert (again.data_dir / "shipments.jsonl").stat().st_mode & 0o077 == 0


def test_it_ends_with_its_supervisor(start_service: Any) -> None:
    read_end, write_end = os.pipe()
    shipping = start_service("shipping", FOLDER / "main.mjs", lifeline_fd=read_end)
    os.close(read_end)
    assert shipping.process.poll() is None
    os.close(write_end)
    assert shipping.process.wait(5) == 0


def test_settings_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "settings").write_text('{"secret": "of somebody"')
    for arguments in ([], ["--settings", str(tmp_path / "settings")], ["--settings-fd", "x"]):
        done = subprocess.run(
            ["node", str(FOLDER / "main.mjs"), *arguments], capture_output=True, text=True, timeout=10
        )
        assert done.returncode == 2
        assert "somebody" not in done.stderr
