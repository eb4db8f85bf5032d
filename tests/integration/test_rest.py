"""A person logs in and orders; whoever may not is told why, in the words of RFC 9457."""

from __future__ import annotations

import re
from typing import Any

import pytest

pytestmark = pytest.mark.whole_system


def policy_line(shop: Any, policy: str) -> str:
    """The configuration's line that a refusal names."""
    name, _, number = policy.partition(":")
    assert name == shop.config.name
    line: str = shop.config.read_text().splitlines()[int(number) - 1]
    return line


def test_login_with_the_generated_password(shop: Any) -> None:
    credentials = {"username": "alice", "password": shop.secrets["users"]["alice"]}
    answer = shop.send("POST", "/auth/login", json=credentials)
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    given = answer.json()
    assert (given["token_type"], given["expires_in"]) == ("Bearer", 600)
    assert given["scope"].split() == ["orders:read", "orders:write", "profiles:read", "profiles:write"]
    assert shop.send("GET", "/orders", token=given["access_token"]).status == 200

    refused = shop.send("POST", "/auth/login", json=credentials | {"password": "password"})
    assert (refused.status, refused.type) == (401, "application/problem+json")
    assert shop.secrets["users"]["alice"] not in refused.body.decode()


def test_a_refresh_token_works_once_and_revocation_ends_it(shop: Any) -> None:
    credentials = {"username": "carol", "password": shop.secrets["users"]["carol"]}
    first = shop.send("POST", "/auth/login", json=credentials).json()["refresh_token"]
    form = {"Content-Type": "application/x-www-form-urlencoded"}

    def post(path: str, text: str) -> Any:
        return shop.send("POST", path, body=text.encode(), headers=form)

    second = post("/auth/token", f"grant_type=refresh_token&refresh_token={first}").json()["refresh_token"]
    assert post("/auth/revoke", f"token={second}").status == 200
    refused = post("/auth/token", f"grant_type=refresh_token&refresh_token={second}")
    assert (refused.status, refused.json()["error"]) == (400, "invalid_grant")


def test_a_mailed_code_ends_a_credential_reset(shop: Any) -> None:
    name = shop.new_user()
    asked = f"grant_type=client_credentials&client_id=profiles&client_secret={shop.secrets['clients']['profiles']}"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    token = shop.send("POST", "/auth/token", body=asked.encode(), headers=form).json()["access_token"]
    wanted = {"username": name, "reason": "asked on the telephone"}
    outside = shop.send("POST", "/auth/credential-resets", token=token, json=wanted)
    assert outside.json()["reason"] == "no_route"  # nobody starts one from outside
    inside = shop.send("POST", "/credential-resets", token=token, json=wanted, port=shop.ports["internal"])
    assert inside.status == 202
    reset = inside.json()["id"]
    mail = (shop.state / "data" / "identity" / "mail" / f"{reset}.txt").read_text()
    code = re.search(r"^Code: (.+)$", mail, re.MULTILINE)
    assert code is not None

    def complete(code: str) -> Any:
        chosen = {"code": code, "new_password": "quite another long passphrase"}
        return shop.send("POST", f"/auth/credential-resets/{reset}/complete", json=chosen)

    def login(password: str) -> int:
        status: int = shop.send("POST", "/auth/login", json={"username": name, "password": password}).status
        return status

    refused = complete("a code that was guessed")
    assert (refused.status, refused.json()["reason"]) == (403, "reset_refused")
    assert complete(code[1]).status == 204
    assert complete(code[1]).status == 403  # a code works once
    assert [login("a long enough passphrase"), login("quite another long passphrase")] == [401, 200]


def test_the_life_of_an_order(shop: Any, customer: str) -> None:
    placed = shop.send("POST", "/orders", token=customer, json={"items": [{"product_id": 1, "quantity": 2}]})
    assert placed.status == 201
    order = placed.json()
    price = shop.send("GET", "/products/1").json()["price"]
    assert order["total"] == 2 * price
    assert shop.send("GET", placed.headers["location"], token=customer).json() == order
    listed = shop.send("GET", "/orders?limit=5", token=customer).json()["orders"]
    assert [one["id"] for one in listed] == [order["id"]]
    cancelled = shop.send("POST", f"/orders/{order['id']}/cancel", token=customer)
    assert (cancelled.status, cancelled.json()["status"]) == (200, "cancelled")
    again = shop.send("POST", f"/orders/{order['id']}/cancel", token=customer)
    assert (again.status, again.type) == (409, "application/problem+json")


def test_pages_of_orders_follow_each_other(shop: Any, alice: str) -> None:
    seen: list[int] = []
    path = "/orders?limit=7"
    while path:
        answer = shop.send("GET", path, token=alice)
        seen += [order["id"] for order in answer.json()["orders"]]
        following = re.search(r'<([^>]+)>; rel="next"', answer.headers.get("link", ""))
        path = following[1] if following else ""
    assert len(seen) > 7
    assert seen == sorted(set(seen), reverse=True)


@pytest.mark.parametrize(
    ("user", "method", "path", "status", "reason", "policy"),
    [
        (None, "GET", "/orders/1001", 401, "token_missing", "type: JWT"),
        (None, "POST", "/orders", 401, "token_missing", "type: JWT"),
        ("carol", "POST", "/orders", 403, "insufficient_scope", 'scopes: ["orders:write"]'),
        ("bob", "POST", "/profiles/alice/recover", 403, "insufficient_scope", 'scopes: ["profiles:recover"]'),
        ("bob", "GET", "/orders/1001", 403, "not_owner", None),
        ("bob", "GET", "/profiles/alice", 403, "not_owner", None),
        (None, "GET", "/nowhere", 404, "no_route", None),
    ],
)
def test_who_may_not_is_told_why(
    shop: Any, user: str | None, method: str, path: str, status: int, reason: str, policy: str | None
) -> None:
    token = shop.token(user) if user else None
    body = {"items": [{"product_id": 1, "quantity": 1}]} if method == "POST" else None
    answer = shop.send(method, path, token=token, json=body)
    told = answer.json()
    assert (answer.status, answer.type) == (status, "application/problem+json")
    assert (told["status"], told["reason"], told["trace_id"]) == (status, reason, answer.trace_id)
    assert {"type", "title", "detail"} <= told.keys()
    assert (policy is None) is ("policy" not in told)
    if policy:  # the gateway decided: it names the line
        assert policy in policy_line(shop, told["policy"])
    if status == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_partner_reads_orders_by_its_own_scope(shop: Any) -> None:
    form = f"grant_type=client_credentials&client_id=partner&client_secret={shop.secrets['clients']['partner']}"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = shop.send("POST", "/auth/token", body=form.encode(), headers=headers)
    token = answer.json()["access_token"]
    assert answer.json()["scope"] == "orders:read"
    assert shop.send("GET", "/orders", token=token).status == 200
    assert shop.send("POST", "/orders", token=token, json={}).json()["reason"] == "insufficient_scope"
    assert shop.send("GET", "/profiles/alice", token=token).json()["reason"] == "insufficient_scope"
