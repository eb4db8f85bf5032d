"""The REST face of the real process. Each test uses a person of its own, since all share one database."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from openapi_spec_validator import validate

from sample_services.profiles import openapi
from sample_services.profiles.rest import if_match

Call = Callable[..., Any]
NEW = {"username": "zelda", "full_name": "Zelda Sample", "email": "zelda@shop.example"}


def _refusal(response: requests.Response) -> tuple[int, str]:
    assert response.headers["Content-Type"] == "application/problem+json"
    assert len(response.json()["trace_id"]) == 32
    return response.status_code, response.json()["reason"]


@pytest.mark.parametrize(
    ("header", "version"),
    [(None, None), ("*", None), ('"3"', 3), ('W/"3"', 0), ("3", 0), ('"0"', 0), ('"3", "4"', 0), ("", 0)],
)
def test_if_match_names_a_version(header: str | None, version: int | None) -> None:
    assert if_match(header) == version


def test_people_read_their_own_profile(caller: Call) -> None:
    answer = caller("alice").send_to("GET", "/profiles/alice")
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"1"')
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert answer.json()["full_name"] == "Alice Sample"
    again = caller("alice").send_to("GET", "/profiles/alice", headers={"If-None-Match": '"1"'})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("username", ["bob", "nobody"])
def test_anothers_profile_is_refused_whether_it_exists_or_not(caller: Call, username: str) -> None:
    assert _refusal(caller("alice").send_to("GET", f"/profiles/{username}")) == (403, "not_owner")


def test_support_reads_anybodys_but_changes_nobodys(caller: Call) -> None:
    carol = caller("carol", "support")
    assert carol.send_to("GET", "/profiles/bob").status_code == 200
    assert _refusal(carol.send_to("GET", "/profiles/nobody")) == (404, "profile_not_found")
    assert _refusal(carol.send_to("DELETE", "/profiles/bob")) == (403, "insufficient_scope")


def test_without_a_token_nothing_is_answered(caller: Call) -> None:
    answer = caller().send_to("GET", "/profiles/alice")
    assert _refusal(answer) == (401, "token_missing")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert _refusal(caller("partner", "partner").send_to("GET", "/profiles/partner"))[0] == 403


def test_a_profile_is_created_once(caller: Call) -> None:
    zelda = caller("zelda")
    created = zelda.send_to("POST", "/profiles", json=NEW)
    assert (created.status_code, created.headers["Location"]) == (201, "/profiles/zelda")
    assert created.json() == zelda.send_to("GET", "/profiles/zelda").json()
    assert _refusal(zelda.send_to("POST", "/profiles", json=NEW)) == (409, "profile_exists")
    assert _refusal(caller("yan").send_to("POST", "/profiles", json=NEW)) == (403, "not_owner")


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (b'{"username": "x', (400, "malformed_json")),
        (b'{"username": "xavier"}', (422, "invalid_body")),
        (b'{"username": "xavier", "full_name": "\\u0000", "email": "x@shop.example"}', (422, "invalid_body")),
        (b'{"username": "xavier", "full_name": "\\ud800", "email": "x@shop.example"}', (400, "malformed_json")),
        (b"[]", (422, "invalid_body")),
    ],
)
def test_a_bad_body_is_the_clients_fault(caller: Call, body: bytes, refusal: tuple[int, str]) -> None:
    answer = caller("xavier").send_to("POST", "/profiles", data=body, headers={"Content-Type": "application/json"})
    assert _refusal(answer) == refusal


def test_an_update_needs_the_current_version(caller: Call) -> None:
    dora = caller("dora")

    def patch(version: str | None, body: dict[str, Any]) -> requests.Response:
        headers = {"If-Match": version} if version else {}
        answer: requests.Response = dora.send_to("PATCH", "/profiles/dora", json=body, headers=headers)
        return answer

    assert _refusal(patch(None, {"city": "A"})) == (428, "if_match_required")
    changed = patch('"1"', {"city": "A", "phone": ""})
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    assert (changed.json()["city"], changed.json()["phone"]) == ("A", "")
    assert _refusal(patch('"1"', {"city": "B"})) == (412, "version_conflict")
    assert _refusal(patch('"2"', {"loyalty_points": 1_000_000})) == (403, "field_not_allowed")
    assert _refusal(patch('"2"', {})) == (422, "invalid_body")


def test_drop_and_recover(caller: Call) -> None:
    emil, carol = caller("emil"), caller("carol", "support")
    assert _refusal(emil.send_to("DELETE", "/profiles/emil", headers={"If-Match": '"9"'})) == (
        412,
        "version_conflict",
    )
    assert emil.send_to("DELETE", "/profiles/emil").status_code == 204
    assert _refusal(emil.send_to("GET", "/profiles/emil")) == (410, "profile_dropped")
    assert _refusal(emil.send_to("POST", "/profiles/emil/recover")) == (403, "insufficient_scope")
    recovered = carol.send_to("POST", "/profiles/emil/recover", json={"reason": "dropped by mistake"})
    assert recovered.json()["credential_reset"] == "pending"
    assert recovered.json()["profile"] == emil.send_to("GET", "/profiles/emil").json()
    assert _refusal(carol.send_to("POST", "/profiles/emil/recover")) == (409, "profile_not_dropped")


def test_several_profiles_in_one_call(caller: Call) -> None:
    carol = caller("carol", "support")
    answer = carol.send_to("GET", "/profiles?usernames=goro,nobody,alice,goro")
    assert [profile["username"] for profile in answer.json()["profiles"]] == ["goro", "alice"]
    assert _refusal(carol.send_to("GET", "/profiles")) == (400, "invalid_query")
    many = ",".join(f"user{number}" for number in range(101))
    assert _refusal(carol.send_to("GET", f"/profiles?usernames={many}")) == (400, "invalid_query")
    own = caller("alice").send_to("GET", "/profiles?usernames=alice,bob").json()["profiles"]
    assert [profile["username"] for profile in own] == ["alice"]
    partner = caller("partner", "partner").send_to("GET", "/profiles?usernames=alice")
    assert _refusal(partner) == (403, "insufficient_scope")


def test_the_gateway_holds_to_this_description() -> None:
    """After a change: `openapi.document("http://127.0.0.1:8088")`, written as YAML into that file."""
    copy = (Path(__file__).parents[3] / "config" / "profiles.openapi.yaml").read_text("utf-8")
    assert yaml.safe_load(copy) == json.loads(json.dumps(openapi.document("http://127.0.0.1:8088")))


def test_the_description_is_valid_and_complete(caller: Call) -> None:
    document = caller().send_to("GET", "/profiles/openapi.json").json()
    validate(document)
    assert document["servers"] == [{"url": "http://gateway.example:8088"}]
    operations = {method for path in document["paths"].values() for method in path if method != "parameters"}
    assert operations == {"get", "post", "patch", "delete"}
    assert "loyalty_points" in document["components"]["schemas"]["Profile"]["properties"]
