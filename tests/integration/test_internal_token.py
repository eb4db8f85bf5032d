"""config/internal-token.yaml in front of the shop's real services; one route more shows what they get."""

from __future__ import annotations

import http.server
import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.integration.conftest import ROOT, Shop, Until, gatehouse

pytestmark = pytest.mark.whole_system
ROUTE = """
  - name: shown
    listeners: [public]
    matches:
      - {path: {type: Exact, value: /shown}}
    filters:
      - {type: JWT, provider: shop}
      - {type: InternalToken, audiences: [orders], scopes: ["orders:read"], claims: [roles]}
    backendRefs: [{cluster: shown}]
"""


class Shown(http.server.BaseHTTPRequestHandler):
    """Answers with the header that it got."""

    def do_GET(self) -> None:
        body = json.dumps(self.headers.get_all("Authorization")).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing on the terminal."""


@pytest.fixture(scope="module")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    root = tmp_path_factory.mktemp("lesson")
    shutil.copy(ROOT / "config" / "storefront.graphql", root)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Shown) as upstream:
        threading.Thread(target=upstream.serve_forever, daemon=True).start()
        text = (ROOT / "config" / "internal-token.yaml").read_text()
        port = upstream.server_address[1]
        cluster = f'clusters:\n  - {{name: shown, endpoints: ["127.0.0.1:{port}"]}}\n'
        config = root / "internal-token.yaml"
        config.write_text(text.replace("clusters:\n", cluster) + ROUTE)
        state = root / "s"
        gatehouse("up", "--detach", "--port-base", "0", "--state-dir", str(state), "--config", str(config))
        try:
            yield Shop(state, config)
        finally:
            gatehouse("down", "--state-dir", str(state))
            upstream.shutdown()


def inside(shop: Shop, user: str = "alice") -> str:
    """The token that a service gets in place of this user's."""
    (field,) = shop.send("GET", "/shown", token=shop.token(user)).json()
    assert field.startswith("Bearer ")
    return str(field.removeprefix("Bearer "))


def keys(shop: Shop) -> jwt.PyJWKSet:
    answer = shop.send("GET", "/.well-known/gateway-jwks.json", port=shop.ports["internal"])
    assert (answer.status, answer.type) == (200, "application/json")
    return jwt.PyJWKSet.from_dict(answer.json())


def test_what_a_service_gets(lesson: Shop) -> None:
    text = inside(lesson)
    key = keys(lesson)[jwt.get_unverified_header(text)["kid"]]
    said = jwt.decode(text, key, ["EdDSA"], audience="orders", issuer="urn:gatehouse:gateway")
    assert (said["sub"], said["client_id"], said["scope"]) == ("alice", "shop", "orders:read")
    assert said["roles"] == ["customer"]
    assert 0 < said["exp"] - said["iat"] <= 60
    assert not {"sid", "cnf"} & said.keys()


def test_it_is_good_for_that_service_and_nowhere_else(lesson: Shop) -> None:
    token = inside(lesson)
    assert lesson.send("GET", "/orders", token=token, port=lesson.ports["orders"]).status == 200
    placing = lesson.send("POST", "/orders", token=token, json={"items": []}, port=lesson.ports["orders"])
    assert (placing.status, placing.json()["reason"]) == (403, "insufficient_scope")  # hers would do
    elsewhere = lesson.send("GET", "/profiles/alice", token=token, port=lesson.ports["profiles"])
    assert (elsewhere.status, elsewhere.json()["reason"]) == (401, "jwt_wrong_audience")
    outside = lesson.send("GET", "/orders", token=token)
    assert outside.status == 401
    users = lesson.send("GET", "/users/me", token=token, port=lesson.ports["identity"])
    assert users.status == 401


def test_the_services_answer_as_before(lesson: Shop) -> None:
    alice, bob = lesson.token("alice"), lesson.token("bob")
    orders = lesson.send("GET", "/orders", token=alice).json()["orders"]
    assert orders
    assert lesson.send("GET", f"/orders/{orders[0]['id']}", token=bob).json()["reason"] == "not_owner"
    query = {"query": "{ me { username profile { fullName } orders(first: 1) { id } } }"}  # asks orders and profiles
    answer = lesson.send("POST", "/graphql", token=alice, json=query).json()
    assert answer["data"]["me"]["profile"]["fullName"]
    assert answer["data"]["me"]["orders"][0]["id"] == str(orders[0]["id"])
    # Past the gateway users' own tokens are still good: the storefront of today asks others by itself.
    assert lesson.send("GET", "/orders", token=alice, port=lesson.ports["orders"]).status == 200


def test_all_workers_sign_with_the_same_keys_also_after_a_crash(lesson: Shop, until: Until) -> None:
    before = {jwt.get_unverified_header(inside(lesson))["kid"] for _ in range(8)}
    rows = {name: row["pid"] for name, row in lesson.processes().items() if row["kind"] == "worker"}
    for pid in rows.values():
        os.kill(pid, signal.SIGKILL)
    for name, pid in rows.items():
        until(lambda name=name, pid=pid: lesson.processes()[name]["pid"] not in (pid, None))
        until(lambda name=name: lesson.processes()[name]["state"] == "running")
    assert {jwt.get_unverified_header(inside(lesson))["kid"] for _ in range(8)} == before
    assert lesson.send("GET", "/orders", token=lesson.token("alice")).status == 200


def test_explained_it_shows_no_token(lesson: Shop) -> None:
    told = lesson.gatehouse("explain", "GET", "/orders", "--as", "alice")
    assert "new token for orders: scope orders:read, 60 s" in told
    assert "eyJ" not in told


def test_no_secret_is_written_down(lesson: Shop) -> None:
    for path in Path(lesson.state).rglob("*"):
        if path.is_file():
            assert b"internal_secret" not in path.read_bytes(), path
