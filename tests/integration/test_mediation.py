"""The shop's SOAP and GraphQL services by REST: the same data and refusals, and a document that tells the truth."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.whole_system


def fits(document: dict[str, Any], path: str, method: str, answer: Any) -> None:
    """The answer is what the document promises."""
    promised = document["paths"][path][method]["responses"][str(answer.status)]
    schema = promised["content"]["application/json"]["schema"]
    Draft202012Validator({**schema, "components": document["components"]}).validate(answer.json())


def described(shop: Any, path: str, **how: Any) -> dict[str, Any]:
    document: dict[str, Any] = shop.send("GET", path, **how).json()
    OpenAPIV31SpecValidator(document).validate()
    return document


def test_a_profile_by_rest_that_soap_serves(shop: Any, alice: str) -> None:
    answer = shop.send("GET", "/people/alice", token=alice)
    assert (answer.status, answer.type) == (200, "application/json")
    other = shop.send("GET", "/profiles/alice", token=alice).json()  # the service's own REST face
    snake = {"fullName": "full_name", "loyaltyPoints": "loyalty_points"}
    assert {snake.get(name, name): value for name, value in answer.json().items()} == other
    fits(described(shop, "/people/openapi.json", token=alice), "/people/{username}", "get", answer)
    head = shop.send("HEAD", "/people/alice", token=alice)
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(answer.body)))


def test_a_change_keeps_every_character(shop: Any) -> None:
    name = shop.new_user()
    token = shop.token(name)
    person = {"username": name, "full_name": "Test Person", "email": "test@shop.example"}
    assert shop.send("POST", "/profiles", token=token, json=person).status == 201
    for version, street in enumerate(("</m:street><m:loyaltyPoints>9</m:loyaltyPoints>", "]]> & <!-- é 😀"), 1):
        changed = shop.send("PATCH", f"/people/{name}", token=token, json={"version": version, "street": street})
        assert changed.status == 200, changed
        assert (changed.json()["street"], changed.json()["loyaltyPoints"]) == (street, 0)
    stale = shop.send("PATCH", f"/people/{name}", token=token, json={"version": 1, "city": "Bern"})
    assert (stale.status, stale.type, stale.json()["type"]) == (412, "application/problem+json", "about:blank")


@pytest.mark.parametrize(
    ("method", "path", "json", "status", "reason"),
    [
        ("GET", "/people/bob", None, 403, "not_owner"),
        ("GET", "/people/Bob", None, 400, "rest_invalid"),
        ("GET", "/people/alice?fields=x", None, 400, "rest_invalid"),
        ("PATCH", "/people/alice", {"version": 1, "town": "Bern"}, 400, "rest_invalid"),
        ("PATCH", "/people/alice", {"version": 1, "city": "\x00"}, 400, "rest_invalid"),
        ("DELETE", "/people/alice", None, 405, "rest_method_not_offered"),
        ("GET", "/people", None, 404, "rest_not_offered"),
        ("GET", "/front?limit=51", None, 400, "rest_invalid"),
        ("GET", "/front?after=nonsense", None, 400, "invalid_cursor"),
        ("GET", "/front/999999", None, 404, "service_has_none"),
    ],
)  # fmt: skip
def test_refusals(shop: Any, alice: str, method: str, path: str, json: Any, status: int, reason: str) -> None:
    answer = shop.send(method, path, token=alice, json=json)
    assert (answer.status, answer.json()["reason"]) == (status, reason), answer.body
    ours = reason.startswith("rest_")
    assert answer.json()["type"] == (f"urn:gatehouse:problem:{reason}" if ours else "about:blank")


def test_a_screen_of_graphql_by_get(shop: Any) -> None:
    answer = shop.send("GET", "/front?limit=3")
    query = "{ products(first: 3) { nodes { id name price } pageInfo { hasNextPage endCursor } } }"
    other = shop.send("POST", "/graphql", json={"query": query}).json()["data"]["products"]
    shown = [{key: item[key] for key in ("id", "name", "price")} for item in answer.json()["items"]]
    assert (shown, answer.json()["pageInfo"]) == (other["nodes"], other["pageInfo"])
    document = described(shop, "/front/openapi.json")
    fits(document, "/front", "get", answer)
    first = answer.json()["items"][0]["id"]
    fits(document, "/front/{id}", "get", shop.send("GET", f"/front/{first}"))
    after = shop.send("GET", f"/front?limit=3&after={answer.json()['pageInfo']['endCursor']}")
    assert not {one["id"] for one in after.json()["items"]} & {one["id"] for one in shown}


def test_operations_are_counted_and_explained(shop: Any, alice: str, until: Any) -> None:
    refused = shop.send("GET", "/people/bob", token=alice)
    until(lambda: shop.metric("gateway_operations_total", operation_name="ReadProfile", operation_type="rest") >= 1)
    told = shop.gatehouse("explain", "GET", "/people/alice", "--as", "alice")
    assert "ReadProfile: takes username from the path" in told
    past = shop.gatehouse("explain", "--trace", refused.trace_id, code=1)
    assert "POST /profiles/soap with" in past
    assert "SERVICE profiles: refused with 403" in past


def gatehouse(*words: str, **variables: str) -> None:
    """Run the installed command."""
    command = Path(sys.executable).with_name("gatehouse")
    done = subprocess.run([command, *words], capture_output=True, text=True, check=False, env=os.environ | variables)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def lesson(shop: Any, tmp_path: Path) -> Iterator[int]:
    """The port of config/mediation.yaml in a gateway of its own, in front of the shop's services."""
    clusters = {name.upper(): f"127.0.0.1:{shop.ports[name]}" for name in ("identity", "profiles", "storefront")}
    state = str(tmp_path / "s")
    words = ("--config", str(ROOT / "config" / "mediation.yaml"), "--detach", "--port-base", "0")
    gatehouse("run", *words, "--state-dir", state, **clusters)
    try:
        yield json.loads((tmp_path / "s" / "instance.json").read_text())["ports"]["public"]
    finally:
        gatehouse("down", "--state-dir", state)


def test_the_lesson(shop: Any, lesson: int) -> None:
    """A whole life by REST, with a guard behind the mediation; every step is what its document promises."""
    name = shop.new_user()
    token = shop.token(name)
    document = described(shop, "/people/openapi.json", token=token, port=lesson)
    one = "/people/{username}"
    made = shop.send(
        "POST",
        "/people",
        token=token,
        port=lesson,
        json={"username": name, "fullName": "A < B", "email": "a@b.example"},
    )
    assert (made.status, made.json()["fullName"], made.json()["version"]) == (201, "A < B", 1)
    fits(document, "/people", "post", made)
    again = shop.send("POST", "/people", token=token, port=lesson, json={**made.json(), "version": 1})
    assert (again.status, again.json()["reason"]) == (400, "rest_invalid")  # a new profile has no version
    changed = shop.send("PATCH", f"/people/{name}", token=token, port=lesson, json={"version": 1, "city": "Bern"})
    fits(document, one, "patch", changed)
    read = shop.send("GET", f"/people/{name}", token=token, port=lesson)
    fits(document, one, "get", read)
    assert read.json() == changed.json() | {"version": 2}
    gone = shop.send("DELETE", f"/people/{name}?version=2", token=token, port=lesson)
    assert (gone.status, gone.body) == (204, b"")
    missing = shop.send("GET", f"/people/{name}", token=token, port=lesson)
    assert missing.status in (404, 410)
    assert missing.json()["type"] == "about:blank"
    front = shop.send("GET", "/front?limit=2", port=lesson)
    fits(described(shop, "/front/openapi.json", port=lesson), "/front", "get", front)
    assert len(front.json()["items"]) == 2
