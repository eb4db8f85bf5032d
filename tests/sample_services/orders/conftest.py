"""A seeded orders database, and the whole service inside the test's own event loop with a real issuer of tokens."""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from openapi_schema_validator import OAS31Validator, oas31_format_checker
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from sample_services.kit.service import Service
from sample_services.kit.settings import Settings
from sample_services.orders.api import Api
from sample_services.orders.api_payments import PaymentApi
from sample_services.orders.contract import contract
from sample_services.orders.seed import seed

ISSUER = "https://identity.shop.example"
CUSTOMER = "orders:read orders:write"


def schema() -> str:
    return resources.files("sample_services.orders").joinpath("schema.sql").read_text("utf-8")


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    """As `Database` opens it: rows by name, foreign keys checked, no transaction of its own."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    connection.executescript(schema())
    seed(connection)
    yield connection
    connection.close()


class Issuer:
    """Signs access tokens as identity does, and publishes its key."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()

    def token(self, subject: str, scope: str, *roles: str) -> str:
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": subject,
            "aud": "shop",
            "iat": now,
            "exp": now + 600,
            "jti": "t",
            "client_id": "shop",
            "scope": scope,
            "roles": list(roles),
        }
        return jwt.encode(claims, self._key, algorithm="EdDSA", headers={"kid": "k1", "typ": "at+jwt"})

    async def jwks(self, _request: web.Request) -> web.Response:
        public = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(self._key.public_key()))
        return web.json_response({"keys": [{**public, "kid": "k1", "alg": "EdDSA", "use": "sig"}]})


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
async def identity_url(issuer: Issuer) -> AsyncIterator[str]:
    """Where the issuer publishes its key."""
    app = web.Application()
    app.router.add_get("/jwks.json", issuer.jwks)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


@dataclass
class Answer:
    """An answer that has been held against the contract."""

    status: int
    headers: dict[str, str]
    body: Any


BUYERS = tuple(f"buyer{number}" for number in range(10))


class Shop:
    """A client of the service under test. Every answer that it gets must be one that the contract promises."""

    def __init__(self, service: Service, client: TestClient[Any, Any], issuer: Issuer) -> None:
        self.service = service
        self.wakes = 0
        """How often the relay was called."""
        self.client = client
        self.tokens = {
            "alice": issuer.token("alice", CUSTOMER, "customer"),
            "bob": issuer.token("bob", CUSTOMER, "customer"),
            "carol": issuer.token("carol", "orders:read", "support"),
            "admin": issuer.token("admin", CUSTOMER, "admin"),
            "reports": issuer.token("reports", "orders:read orders:read-all"),
            "partner": issuer.token("partner", "orders:read"),
            **{name: issuer.token(name, CUSTOMER, "customer") for name in BUYERS},
        }

    async def call(
        self, method: str, path: str, user: str | None = None, *, headers: Any = None, **sent: Any
    ) -> Answer:
        token = {"Authorization": f"Bearer {self.tokens[user]}"} if user else {}
        async with self.client.request(method, path, headers={**token, **(headers or {})}, **sent) as response:
            body = await response.json(content_type=None)
            check_against_contract(method, response.url.path, response, body)
            return Answer(response.status, dict(response.headers), body)


def check_against_contract(method: str, path: str, response: Any, body: Any) -> None:
    """Status, media type and body must be declared for this operation."""
    operation = contract()["paths"][template_of(path)][method.lower()]
    assert str(response.status) in operation["responses"], f"{response.status} of {method} {path} is not declared"
    declared = resolve(operation["responses"][str(response.status)])
    assert response.content_type in declared["content"]
    validator({"$ref": pointer(operation, response)}).validate(body)
    for name, header in declared.get("headers", {}).items():
        assert name in response.headers or not resolve(header).get("required"), f"{name} is missing"


def template_of(path: str) -> str:
    parts = path.split("/")
    if len(parts) > 2:
        parts[2] = "{id}"
    return "/".join(parts)


def resolve(part: dict[str, Any]) -> dict[str, Any]:
    """The component that `$ref` names."""
    if "$ref" not in part:
        return part
    found: Any = contract()
    for name in part["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return dict(found)


def pointer(operation: dict[str, Any], response: Any) -> str:
    """A reference to the schema of this answer."""
    path = response.method.lower()
    escaped = template_of(response.url.path).replace("/", "~1")
    declared = operation["responses"][str(response.status)]
    base = declared.get("$ref", f"#/paths/{escaped}/{path}/responses/{response.status}")
    media = response.content_type.replace("/", "~1")
    return f"urn:contract{base}/content/{media}/schema"


def validator(wanted: dict[str, Any]) -> Any:
    """OpenAPI 3.1 schemas are JSON Schema 2020-12; references lead into the contract."""
    resource = DRAFT202012.create_resource(contract())
    registry: Registry[Any] = Registry().with_resource("urn:contract", resource)
    return OAS31Validator(wanted, registry=registry, format_checker=oas31_format_checker)


@pytest.fixture
async def shop(tmp_path: Path, issuer: Issuer, identity_url: str) -> AsyncIterator[Shop]:
    """The service with its own database file, listening on a free port."""
    settings = Settings(service="orders", instance="orders-1", data_dir=tmp_path, peers={"identity": identity_url})
    service = Service(settings, logging.getLogger("orders"))
    await service.open(schema(), seed)
    client = TestClient(TestServer(service.app))
    shop = Shop(service, client, issuer)

    def wake() -> None:
        shop.wakes += 1

    service.app.add_routes(PaymentApi(service).routes())
    service.app.add_routes(Api(service, wake).routes())
    async with client:
        yield shop
    await service.close()
