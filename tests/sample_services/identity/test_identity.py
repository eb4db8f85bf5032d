"""The identity service as a real process, over HTTP."""

from __future__ import annotations

import base64
import json
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import jwt
import pytest

USERS = {name: f"the password of {name}" for name in ("alice", "bob", "carol", "admin")}
CLIENTS = {"partner": "partner:s3cret/+%", "profiles": "profiles-s3cret", "storefront": "storefront-s3cret"}


class Running(Protocol):
    url: str
    process: subprocess.Popen[bytes]
    data_dir: Path

    def log_text(self) -> str: ...
    def log_lines(self, message: str | None = None) -> list[dict[str, Any]]: ...
    def stop(self) -> int: ...


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Identity:
    """A client of the running service."""

    service: Running

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = Request(self.service.url + path, body, named, method=method)
        try:
            with urlopen(request, timeout=5) as answer:
                return Answer(answer.status, dict(answer.headers), answer.read())
        except HTTPError as error:
            with error:
                return Answer(error.code, dict(error.headers), error.read())

    def call(self, method: str, path: str, body: Any = None, token: str = "", **headers: str) -> Answer:
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body).encode()
        return self.send(method, path, data, Content_Type="application/json", **headers)

    def form(self, path: str, client: str | None = None, **fields: str) -> Answer:
        headers = {"Content_Type": "application/x-www-form-urlencoded"}
        if client is not None:
            pair = urlencode({client: CLIENTS[client]}).replace("=", ":", 1)
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        return self.send("POST", path, urlencode(fields).encode(), **headers)

    def login(self, username: str, password: str | None = None) -> Any:
        answer = self.call("POST", "/login", {"username": username, "password": password or USERS[username]})
        assert answer.status == 200, answer.body
        return answer.json

    def refresh(self, token: str) -> Answer:
        return self.form("/token", grant_type="refresh_token", refresh_token=token)

    def client_token(self, client: str) -> str:
        token: str = self.form("/token", client, grant_type="client_credentials").json["access_token"]
        return token

    def introspect(self, token: str) -> Any:
        return self.form("/introspect", "storefront", token=token).json

    def verify(self, token: str) -> Any:
        """As any other service does it."""
        keys = jwt.PyJWKSet.from_dict(self.call("GET", "/jwks.json").json)
        header = jwt.get_unverified_header(token)
        return jwt.decode(
            token,
            keys[header["kid"]],
            [header["alg"]],
            audience="shop",
            issuer="https://identity.shop.example",
        )


SECRETS = {"users": USERS, "clients": CLIENTS}


@pytest.fixture
def fresh(start_service: Callable[..., Running]) -> Identity:
    """A service of its own, for tests that change what others rely on."""
    return Identity(start_service("identity", "sample_services.identity", secrets=SECRETS))


@pytest.fixture(scope="module")
def identity(start_shared_service: Callable[..., Running]) -> Iterator[Identity]:
    """One service for all others; at the end its log must hold no secret and nothing unexpected."""
    running = Identity(start_shared_service("identity", "sample_services.identity", secrets=SECRETS))
    yield running
    log = running.service.log_text()
    assert "unexpected error" not in log
    for secret in (*USERS.values(), *CLIENTS.values()):
        assert secret not in log
    assert not re.search(r"eyJ[\w-]+\.eyJ", log)  # no token either


def test_login_gives_an_access_token_as_rfc_9068_has_it(identity: Identity) -> None:
    answer = identity.call("POST", "/login", {"username": "alice", "password": USERS["alice"]})
    assert answer.headers["Cache-Control"] == "no-store"
    tokens = answer.json
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 600)
    assert tokens["scope"] == "orders:read orders:write profiles:read profiles:write"
    claims = identity.verify(tokens["access_token"])
    assert {name: claims[name] for name in ("sub", "client_id", "roles", "scope")} == {
        "sub": "alice",
        "client_id": "shop",
        "roles": ["customer"],
        "scope": tokens["scope"],
    }
    assert claims["exp"] - int(claims["iat"]) == 600
    assert jwt.get_unverified_header(tokens["access_token"])["typ"] == "at+jwt"
    line = identity.service.log_lines("login_succeeded")[-1]
    assert (line["logger"], line["subject"]) == ("audit", "alice")


def test_failed_logins_look_alike_and_quote_nobody(identity: Identity) -> None:
    wrong = identity.call("POST", "/login", {"username": "alice", "password": "wrong"})
    unknown = identity.call("POST", "/login", {"username": "hunter2-typed-here", "password": "wrong"})
    assert wrong.status == unknown.status == 401
    assert {**wrong.json, "trace_id": ""} == {**unknown.json, "trace_id": ""}
    assert [line["subject"] for line in identity.service.log_lines("login_failed")][-2:] == ["alice", ""]
    assert "hunter2" not in identity.service.log_text()


def test_refusals_of_bad_input(identity: Identity) -> None:
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    cases: list[tuple[Answer, int, str]] = [
        (identity.send("POST", "/login", b"{", Content_Type="application/json"), 400, "malformed_json"),
        (identity.call("POST", "/login", {"username": "alice"}), 422, "invalid_body"),
        (identity.call("POST", "/login", {"username": "a", "password": "x" * 129}), 422, "invalid_body"),
        (identity.call("POST", "/login", {"username": "a", "password": "x", "role": "admin"}), 422, "invalid_body"),
        (identity.call("POST", "/token", {}), 400, "invalid_request"),
        (identity.form("/token"), 400, "invalid_request"),
        (identity.form("/token", grant_type="password"), 400, "unsupported_grant_type"),
        (identity.form("/token", grant_type="refresh_token"), 400, "invalid_request"),
        (identity.send("POST", "/token", b"scope=a&scope=b", **form), 400, "invalid_request"),
        (identity.send("POST", "/token", b"scope=%ff", **form), 400, "invalid_request"),
        (identity.send("POST", "/token", b"a=" + b"x" * 20_000, **form), 413, "invalid_request"),
        (identity.form("/introspect", "storefront"), 400, "invalid_request"),
    ]
    assert [(answer.status, answer.json["reason"]) for answer, _, _ in cases] == [
        (status, reason) for _, status, reason in cases
    ]


def test_client_credentials(identity: Identity) -> None:
    answer = identity.form("/token", "partner", grant_type="client_credentials")
    assert answer.json["scope"] == "orders:read"
    assert "refresh_token" not in answer.json
    claims = identity.verify(answer.json["access_token"])
    assert (claims["sub"], claims["client_id"], claims["roles"]) == ("partner", "partner", [])
    more = identity.form("/token", "partner", grant_type="client_credentials", scope="orders:read orders:write")
    assert (more.status, more.json["error"]) == (400, "invalid_scope")
    none = identity.form("/token", "storefront", grant_type="client_credentials")
    assert (none.status, none.json["error"]) == (400, "invalid_scope")


def test_client_authentication(identity: Identity) -> None:
    grant = {"grant_type": "client_credentials"}
    by_post = identity.form("/token", client_id="partner", client_secret=CLIENTS["partner"], **grant)
    assert by_post.status == 200
    for fields in (
        {"client_id": "partner", "client_secret": "wrong"},
        {"client_id": "nobody", "client_secret": "wrong"},
        {"client_id": "partner"},
        {"client_id": "shop"},
        {},
    ):
        answer = identity.form("/token", **grant, **fields)
        assert (answer.status, answer.json["error"]) == (401, "invalid_client"), fields
        assert answer.headers["WWW-Authenticate"].startswith("Basic")
    twice = identity.form("/token", "partner", client_secret=CLIENTS["partner"], **grant)
    assert (twice.status, twice.json["error"]) == (400, "invalid_request")


def test_refresh_rotates_and_reuse_ends_the_family(identity: Identity) -> None:
    first = identity.login("alice")
    other = identity.login("alice")
    second = identity.refresh(first["refresh_token"]).json
    assert second["refresh_token"] != first["refresh_token"]
    assert identity.verify(second["access_token"])["sub"] == "alice"
    assert identity.introspect(second["access_token"])["active"]
    reused = identity.refresh(first["refresh_token"])
    assert (reused.status, reused.json["error"]) == (400, "invalid_grant")
    assert identity.refresh(second["refresh_token"]).json["error"] == "invalid_grant"
    assert identity.introspect(second["access_token"]) == {"active": False}
    assert identity.refresh(other["refresh_token"]).status == 200  # another login is another family
    line = identity.service.log_lines("refresh_token_reused")[-1]
    assert (line["level"], line["subject"]) == ("warning", "alice")


def test_refresh_may_ask_for_less_and_never_for_more(identity: Identity) -> None:
    token = identity.login("alice")["refresh_token"]
    less = identity.form("/token", grant_type="refresh_token", refresh_token=token, scope="orders:read").json
    assert less["scope"] == "orders:read"
    more = identity.form("/token", grant_type="refresh_token", refresh_token=less["refresh_token"], scope="keys:rotate")
    assert (more.status, more.json["error"]) == (400, "invalid_scope")


def test_a_client_cannot_use_or_revoke_what_is_not_its_own(identity: Identity) -> None:
    tokens = identity.login("alice")
    fields = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert identity.form("/token", "partner", **fields).json["error"] == "invalid_grant"
    for token in (tokens["refresh_token"], tokens["access_token"]):
        assert identity.form("/revoke", "partner", token=token).json["error"] == "invalid_grant"
    assert identity.introspect(tokens["access_token"])["active"]
    assert identity.refresh(tokens["refresh_token"]).status == 200


def test_revocation_of_an_access_token_spares_the_session(identity: Identity) -> None:
    tokens = identity.login("alice")
    assert identity.form("/revoke", token=tokens["access_token"]).status == 200
    assert identity.introspect(tokens["access_token"]) == {"active": False}
    assert identity.refresh(tokens["refresh_token"]).status == 200


def test_revocation_of_a_refresh_token_ends_the_session(identity: Identity) -> None:
    tokens = identity.login("alice")
    for _ in range(2):  # again is no error
        assert identity.form("/revoke", token=tokens["refresh_token"]).status == 200
    assert identity.introspect(tokens["access_token"]) == {"active": False}
    assert identity.introspect(tokens["refresh_token"]) == {"active": False}
    assert identity.refresh(tokens["refresh_token"]).status == 400
    assert identity.form("/revoke", token="unknown").status == 200


def test_introspection(identity: Identity) -> None:
    tokens = identity.login("carol")
    told = identity.introspect(tokens["access_token"])
    assert (told["active"], told["username"], told["scope"]) == (True, "carol", tokens["scope"])
    assert identity.introspect(tokens["refresh_token"])["token_type"] == "refresh_token"
    assert identity.introspect("nonsense") == {"active": False}
    assert identity.form("/introspect", token=tokens["access_token"]).status == 401
    outsider = identity.form("/introspect", "partner", token=tokens["access_token"])
    assert (outsider.status, outsider.json["error"]) == (403, "unauthorized_client")


def test_key_rotation(fresh: Identity) -> None:
    before = fresh.login("admin")["access_token"]
    assert jwt.get_unverified_header(before)["alg"] == "RS256"
    answer = fresh.call("POST", "/keys/rotate", token=before)
    assert answer.status == 200, answer.body
    after = fresh.login("admin")["access_token"]
    assert jwt.get_unverified_header(after)["alg"] == "EdDSA"
    assert jwt.get_unverified_header(after)["kid"] == answer.json["active"]
    assert fresh.verify(before)["sub"] == fresh.verify(after)["sub"] == "admin"
    assert fresh.introspect(before)["active"]
    fresh.call("POST", "/keys/rotate", {"compromised": True}, token=after)
    assert fresh.introspect(before)["active"]
    with pytest.raises(KeyError):
        fresh.verify(after)
    assert fresh.introspect(after) == {"active": False}
    assert fresh.call("POST", "/keys/rotate", token=fresh.login("alice")["access_token"]).status == 403
    assert fresh.call("POST", "/keys/rotate").status == 401


def test_discovery(identity: Identity) -> None:
    document = identity.call("GET", "/.well-known/openid-configuration").json
    assert document["issuer"] == "https://identity.shop.example"
    assert document["token_endpoint"] == "http://127.0.0.1:8088/auth/token"
    assert document["jwks_uri"] == "http://127.0.0.1:8088/auth/jwks.json"


def test_a_credential_reset_ends_all_sessions_and_the_code_works_once(fresh: Identity) -> None:
    logins = [fresh.login("alice") for _ in range(2)]
    bob = fresh.login("bob")
    service = fresh.client_token("profiles")
    body = {"username": "alice", "reason": "profile recovered"}
    started = fresh.call("POST", "/credential-resets", body, token=service, Idempotency_Key="r-1")
    assert (started.status, started.json["sessions_ended"]) == (202, 2)
    for tokens in logins:
        assert fresh.introspect(tokens["access_token"]) == {"active": False}
        assert fresh.refresh(tokens["refresh_token"]).status == 400
    assert fresh.introspect(bob["access_token"])["active"]
    fresh.login("alice")  # the old password works until the code is used
    again = fresh.call("POST", "/credential-resets", body, token=service, Idempotency_Key="r-1")
    assert (again.status, again.json["id"], again.json["sessions_ended"]) == (200, started.json["id"], 0)

    [mail] = (fresh.service.data_dir / "mail").iterdir()
    assert mail.stat().st_mode & 0o777 == 0o600
    code = mail.read_text().rpartition("Code: ")[2].strip()
    path = f"/credential-resets/{started.json['id']}/complete"
    new = {"code": code, "new_password": "a new long password"}
    assert fresh.call("POST", path, new | {"code": "wrong"}).json["reason"] == "reset_refused"
    assert fresh.call("POST", path, new | {"new_password": "short"}).json["reason"] == "invalid_body"
    assert fresh.call("POST", path, new).status == 204
    assert fresh.call("POST", path, new).json["reason"] == "reset_refused"
    assert not mail.exists()
    fresh.login("alice", "a new long password")
    old = fresh.call("POST", "/login", {"username": "alice", "password": USERS["alice"]})
    assert old.status == 401
    assert code not in fresh.service.log_text()


def test_who_may_start_a_reset(identity: Identity) -> None:
    body = {"username": "alice", "reason": "test"}
    for user in ("alice", "carol", "admin"):
        token = identity.login(user)["access_token"]
        assert identity.call("POST", "/credential-resets", body, token=token).status == 403
    service = identity.client_token("profiles")
    unknown = identity.call("POST", "/credential-resets", body | {"username": "x"}, token=service)
    assert (unknown.status, unknown.json["reason"]) == (404, "user_not_found")
    first = identity.call("POST", "/credential-resets", body, token=service, Idempotency_Key="k")
    other = identity.call("POST", "/credential-resets", body | {"username": "bob"}, token=service, Idempotency_Key="k")
    assert (first.status, other.status) == (202, 409)


def test_users_see_themselves_and_administrators_see_all(identity: Identity) -> None:
    alice, admin = identity.login("alice")["access_token"], identity.login("admin")["access_token"]
    me = identity.call("GET", "/users/me", token=alice).json
    assert me["username"] == "alice"
    assert not any("hash" in name or "password" in name for name in me)
    for stranger in ("bob", "nobody"):  # the same, whether there is one or not
        assert identity.call("GET", f"/users/{stranger}", token=alice).json["reason"] == "not_yours"
        assert identity.call("DELETE", f"/users/{stranger}/sessions", token=alice).status == 403
    assert identity.call("GET", "/users", token=alice).status == 403
    assert [user["username"] for user in identity.call("GET", "/users", token=admin).json["users"]][:1] == ["admin"]
    assert identity.call("GET", "/users/bob", token=admin).json["role"] == "customer"
    assert identity.call("GET", "/users/nobody", token=admin).status == 404
    assert identity.call("GET", "/users/me").status == 401


def test_new_users(identity: Identity) -> None:
    admin = identity.login("admin")["access_token"]
    dora = {"username": "dora", "password": "the password of dora"}
    assert identity.call("POST", "/users", dora, token=admin).status == 201
    assert identity.call("POST", "/users", dora, token=admin).json["reason"] == "user_exists"
    assert identity.call("POST", "/users", dora | {"role": "admin"}, token=admin).status == 422
    assert identity.call("POST", "/users", dora | {"username": "../x"}, token=admin).status == 422
    token = identity.login("dora", "the password of dora")["access_token"]
    assert identity.call("POST", "/users", dora | {"username": "eve"}, token=token).status == 403


def test_a_password_change_needs_the_old_one_and_ends_all_sessions(fresh: Identity) -> None:
    tokens = fresh.login("bob")
    body = {"current": "wrong", "new": "another long password"}
    path = "/users/me/password"
    assert fresh.call("PUT", path, body, token=tokens["access_token"]).status == 403
    assert fresh.call("PUT", path, body | {"current": USERS["bob"]}, token=tokens["access_token"]).status == 204
    assert fresh.refresh(tokens["refresh_token"]).status == 400
    fresh.login("bob", "another long password")


def test_a_restart_keeps_sessions_keys_and_changed_passwords(
    fresh: Identity, start_service: Callable[..., Running]
) -> None:
    tokens = fresh.login("alice")
    change = {"current": USERS["bob"], "new": "another long password"}
    fresh.call("PUT", "/users/me/password", change, token=fresh.login("bob")["access_token"])
    assert fresh.service.stop() == 0
    secrets = {"users": USERS | {"fred": "the password of fred"}, "clients": {"storefront": "s"}}
    again = Identity(start_service("identity", "sample_services.identity", secrets=secrets))
    assert again.verify(tokens["access_token"])["sub"] == "alice"
    assert again.refresh(tokens["refresh_token"]).status == 200
    again.login("bob", "another long password")
    again.login("fred", "the password of fred")
    assert again.form("/token", "partner", grant_type="client_credentials").status == 401
