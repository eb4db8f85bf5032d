"""The monolith as a process: the modules' code as it is, one database, one port that shows no more than is public."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sample_services.monolith.modules import MODULES

SECRETS = {
    "users": {"alice": "the long password of alice"},
    "clients": {"partner": "a secret of a partner", "profiles": "a secret of profiles"},
}


@pytest.fixture(scope="module")
def monolith(start_shared_service: Any) -> Any:
    identity = start_shared_service("identity", "sample_services.identity", secrets=SECRETS)
    clients = {"clients": {"profiles": SECRETS["clients"]["profiles"]}}
    return start_shared_service(
        "monolith", "sample_services.monolith", peers={"identity": identity.url}, secrets=clients
    )


def call(monolith: Any, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, Any]:
    """Status, headers, and the body's JSON where it is JSON."""
    data = None if body is None else json.dumps(body).encode()
    request = Request(monolith.url + path, data, {"Content-Type": "application/json", **headers}, method=method)
    try:
        answer = urlopen(request, timeout=10)
    except HTTPError as error:
        answer = error
    with answer:
        text = answer.read()
        return answer.status, answer.headers, json.loads(text) if "json" in answer.headers["Content-Type"] else text


@pytest.fixture(scope="module")
def alice(monolith: Any) -> dict[str, str]:
    body = {"username": "alice", "password": SECRETS["users"]["alice"]}
    status, _, granted = call(monolith, "POST", "/auth/login", body)
    assert status == 200
    return {"Authorization": f"Bearer {granted['access_token']}"}


def test_one_question_goes_through_all_modules_in_one_process(monolith: Any, alice: dict[str, str]) -> None:
    query = "{ me { profile { fullName } orders(first: 2) { items { product { name reviews { stars } } } } } }"
    before = _served(monolith)
    _, _, answer = call(monolith, "POST", "/graphql", {"query": query}, **alice)
    assert answer["data"]["me"]["profile"] == {"fullName": "Alice Sample"}
    assert answer["data"]["me"]["orders"][0]["items"][0]["product"]["name"]
    after = _served(monolith)
    grown = {route: after[route] - before.get(route, 0) for route in after if after[route] != before.get(route, 0)}
    assert grown == {"/graphql": 1, "/profiles": 1, "/orders": 1, "/products": 1}, "its own APIs count as any"
    inner = [line for line in monolith.log_lines("request") if line["path"] == "/profiles"]
    assert inner[-1]["client_address"] == "storefront (in process)"
    assert inner[-1]["subject"] == "alice"


def _served(monolith: Any) -> dict[str, float]:
    with urlopen(f"{monolith.url}/metrics", timeout=5) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    return {
        sample.labels["http_route"]: sample.value
        for family in families
        for sample in family.samples
        if sample.name == "http_server_request_duration_seconds_count"
    }


def test_one_database_holds_all_tables(monolith: Any) -> None:
    assert {file.name for file in monolith.data_dir.glob("*.db")} == {"monolith.db"}
    with closing(sqlite3.connect(f"file:{monolith.data_dir}/monolith.db?mode=ro", uri=True)) as database:
        counts = {
            table: database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("purchase", "profiles", "review")
        }
    assert counts["purchase"] >= 60
    assert min(counts.values()) >= 10


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/products/1", 200),
        ("GET", "/orders/openapi.json", 200),
        ("GET", "/profiles/openapi.json", 200),
        ("GET", "/auth/jwks.json", 200),
        ("GET", "/orders", 401),
        ("GET", "/openapi.json", 404),  # whose?
        ("GET", "/schema.graphql", 404),  # inside only
        ("GET", "/auth/users/me", 404),
        ("POST", "/auth/credential-resets", 404),
        ("POST", "/keys/rotate", 404),
        ("DELETE", "/products/1", 405),
    ],
)
def test_what_is_public(monolith: Any, method: str, path: str, status: int) -> None:
    got, _, document = call(monolith, method, path)
    assert got == status
    if status >= 400:
        assert document["reason"] in ("token_missing", "not_found", "method_not_allowed")


def test_a_refused_login_is_told_in_identitys_own_words(monolith: Any) -> None:
    status, headers, document = call(monolith, "POST", "/auth/login", {"username": "alice", "password": "x" * 20})
    assert (status, document["reason"]) == (401, "bad_credentials")
    assert headers["Content-Type"].startswith("application/problem+json")


def test_the_manifest_names_the_same_modules() -> None:
    import yaml

    from gateway.control.supervisor.options import default_manifest

    manifest = yaml.safe_load(default_manifest().read_text())
    assert manifest["monolith"]["modules"] == [module.name for module in MODULES]
