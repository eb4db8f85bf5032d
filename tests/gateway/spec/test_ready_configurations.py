"""The configurations that come with the gateway load, with the filters as they are installed."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.compile.load import load_spec
from gateway.routing.table import RouteTable
from gateway.spec.certificates import read_pair
from gateway.spec.models import Spec

FOLDER = Path(__file__).parents[3] / "config"


class Asked:
    """A request's query and header fields."""

    def __init__(self, query: str, token: bool) -> None:
        self.query = query
        self._token = token

    def all(self, name: bytes) -> list[bytes]:
        return [b"Bearer x"] if self._token and name == b"authorization" else []


def take(spec: Spec, listener: str, method: str, path: str, token: bool = False) -> str | None:
    table = RouteTable([(route, route.name) for route in spec.routes if listener in route.listeners])
    path, _, query = path.partition("?")
    entry = table.match("127.0.0.1:8088", path, method, Asked(query, token))
    return entry.target if entry else None


GATEWAYS = sorted(file for file in FOLDER.glob("*.yaml") if file.stem != "mesh" and ".openapi." not in file.name)
"""What a gateway runs; the mesh's file is one of another kind (test_mesh.py), and descriptions of APIs are none."""


@pytest.mark.parametrize("file", GATEWAYS, ids=lambda file: file.stem)
def test_it_loads_and_stays_on_loopback(file: Path, authority: Any, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text('{"keys": []}')
    secret = tmp_path / "secret"
    secret.write_text("of a client")
    secret.chmod(0o600)
    hook = tmp_path / "webhook-secret"
    hook.write_text("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")
    hook.chmod(0o600)
    ca = authority("clients")
    certificates = ca.issue("gateway", ["localhost"]).cert.parent
    assert ca.file == certificates / "clients.pem"
    variables = {"GATEHOUSE_PUBLIC_PORT": "18088", "GATEHOUSE_INTERNAL_PORT": "18089"}
    variables |= {"CERTIFICATES": str(certificates), "PARTNER_KEYS": str(keys), "SECRET": str(secret)}
    spec = load_spec(file, variables | {"WEBHOOK_SECRET": str(hook)})
    assert [listener.address for listener in spec.listeners] == ["127.0.0.1"] * len(spec.listeners)
    assert spec.listeners[0].port == 18088


@pytest.fixture(scope="module")
def shop() -> Spec:
    return load_spec(FOLDER / "shop.yaml", {})


@pytest.mark.parametrize(
    ("request_line", "route"),
    [
        ("POST /auth/login", "auth-login"),
        ("GET /auth/login", None),
        ("POST /auth/token", "auth-token"),
        ("GET /auth/jwks.json", "auth-keys"),
        ("GET /auth/.well-known/openid-configuration", "auth-discovery"),
        ("POST /auth/credential-resets/8f14e45f-ceea-467f-a34d-9b1d1bba0c3e/complete", "auth-reset-complete"),
        ("POST /auth/credential-resets/8f14e45f-ceea-467f-a34d-9b1d1bba0c3e", None),
        ("POST /auth/credential-resets", None),
        ("GET /products/3", "products-read"),
        ("POST /products", None),
        ("GET /orders", "orders-read"),
        ("GET /orders/1001", "orders-read"),
        ("POST /orders/1001/cancel", "orders-write"),
        ("DELETE /orders/1001", None),
        ("GET /ordersx", None),
        ("POST /profiles/soap", "profiles-soap"),
        ("GET /profiles/soap?wsdl", "profiles-wsdl"),
        ("GET /profiles/alice", "profiles-read"),
        ("POST /profiles", "profiles-write"),
        ("PATCH /profiles/alice", "profiles-write"),
        ("POST /profiles/alice/recover", "profiles-recover"),
        ("POST /profiles/alice", None),
        ("POST /graphql", "graphql-anonymous"),
        ("GET /graphql", None),
        ("GET /", "shop-page"),
        ("GET /static/shop.css", "shop-page"),
        ("POST /introspect", None),
        ("POST /keys/rotate", None),
        ("POST /credential-resets", None),
        ("GET /schema.graphql", None),
        ("GET /metrics", None),
        ("GET /healthz", None),
    ],
)
def test_public_routes_of_the_shop(shop: Spec, request_line: str, route: str | None) -> None:
    method, path = request_line.split()
    assert take(shop, "public", method, path) == route


def test_a_token_at_graphql_is_always_verified(shop: Spec) -> None:
    assert take(shop, "public", "POST", "/graphql", token=True) == "graphql"


def test_internal_routes_serve_the_internal_listener_only(shop: Spec) -> None:
    internal = [route for route in shop.routes if "internal" in route.listeners]
    assert {route.listeners for route in internal} == {("internal",)}
    assert take(shop, "internal", "POST", "/keys/rotate") == "internal-key-rotation"
    assert take(shop, "internal", "GET", "/orders") is None


def test_everything_that_changes_something_needs_a_token_or_is_a_proof_itself(shop: Spec) -> None:
    def writes(route: Any) -> bool:
        return any(match.method not in ("GET", "HEAD") for match in route.matches)

    open_ones = {route.name for route in shop.routes if route.public and writes(route)}
    assert open_ones == {
        "auth-login", "auth-token", "auth-revoke", "auth-reset-complete", "graphql-anonymous", "internal-introspect",
        "ask-payments",
    }  # fmt: skip


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the lesson uses the openssl command")
def test_the_certificate_of_the_tls_lesson_is_good(tmp_path: Path) -> None:
    lesson = FOLDER / "tls.yaml"
    command = re.search(r"openssl req .*", lesson.read_text("utf-8"))
    assert command is not None
    subprocess.run(["sh", "-c", f"umask 077; {command[0]}"], cwd=tmp_path, check=True, capture_output=True)
    spec = load_spec(lesson, {"CERTIFICATES": str(tmp_path)})
    assert spec.listeners[0].tls is not None
    files = spec.listeners[0].tls.certificates[0]
    names = read_pair(Path(files.cert), Path(files.key), time.time()).names
    assert names == ("localhost", "*.shop.example", "127.0.0.1")


def test_every_route_of_the_shop_has_an_owner_and_a_version(shop: Spec) -> None:
    assert all(route.owner and route.version for route in shop.routes)
