"""Limits: told on every answer, kept per subject, untouched by whoever only asks what would happen."""

from __future__ import annotations

import itertools
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

pytestmark = pytest.mark.whole_system
QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"


def left(answer: Any, name: str) -> int:
    """What the RateLimit field says is left under that limit."""
    found = re.search(rf'"{name}";r=(\d+)', ", ".join(answer.headers.get_all("ratelimit")))
    assert found, answer.headers
    return int(found[1])


def post(shop: Any, token: str, connection: Any, **headers: str) -> Any:
    return shop.send("POST", "/orders", token=token, json={}, headers=headers, on=connection)


def test_the_burst_and_then_429(shop: Any, customer: str) -> None:
    with shop.connect() as connection:
        statuses: list[int] = []
        while (last := post(shop, customer, connection)).status != 429 and len(statuses) < 300:
            statuses.append(last.status)
        assert statuses[:40] == [400] * 40  # config/shop.yaml: burst: 40
        assert last.status == 429
        assert (last.type, last.headers["retry-after"]) == ("application/problem+json", "1")
        (policies,) = last.headers.get_all("ratelimit-policy")
        assert '"subject";q=40;w=10' in policies.split(", ")
        assert left(last, "subject") == 0
        assert (last.json()["type"], last.json()["reason"]) == (QUOTA_EXCEEDED, "rate_limited")
        assert "requests: 240" in shop.config.read_text().splitlines()[int(last.json()["policy"].split(":")[1]) - 1]

        # Whoever it is by the token's word has used it up; another name in a header makes no other customer.
        again = post(shop, customer, connection, **{"X-User": "alice", "X-Forwarded-For": "203.0.113.9"})
        assert left(again, "subject") < 10
        other = shop.token(shop.new_user())
        assert left(post(shop, other, connection), "subject") == 39


def test_an_address_is_not_what_a_client_says(shop: Any) -> None:
    def guess(number: int) -> Any:
        claimed = f"203.0.113.{number % 250}"
        headers = {"X-Forwarded-For": claimed, "Forwarded": f"for={claimed}", "X-Real-IP": claimed}
        return shop.send("POST", "/auth/login", json={}, headers=headers)

    with ThreadPoolExecutor(8) as clients:  # fast enough for the 25 a second that come back
        answers = list(clients.map(guess, range(400)))
    assert min(left(one, "login") for one in counted(answers)) < 480  # of 500: used up by the one address that there is


def counted(answers: list[Any]) -> list[Any]:
    """Those that the shared limit has counted: with Redis busy it fails open, as it says, and is not told."""
    return [one for one in answers if '"login"' in ", ".join(one.headers.get_all("ratelimit", []))]


def test_what_guards_passwords_counts_in_all_workers_together(shop: Any) -> None:
    answers = [shop.send("POST", "/auth/login", json={}) for _ in range(30)]  # each on a connection of its own
    seen = [left(answer, "login") for answer in counted(answers)]
    assert len(seen) > 5
    assert seen[-1] < seen[0]
    assert all(later <= earlier + 2 for earlier, later in itertools.pairwise(seen))  # two counts would go up and down
    limits = shop.admin("GET", "/limits?route=auth-login").json()["limits"]
    (login,) = (limit for limit in limits if limit["name"] == "login")
    assert (login["store"], login["counts"][0]["worker"], login["counts"][0]["top"][0]["key"]) == (
        "shared",
        None,
        "127.0.0.1",
    )


def test_nothing_that_leads_nowhere_burns_quota(shop: Any) -> None:
    assert "ratelimit" not in shop.send("GET", "/nowhere").headers


def test_an_explanation_spends_nothing(shop: Any) -> None:
    name = shop.new_user()
    token = shop.token(name)
    with shop.connect() as connection:
        before = left(post(shop, token, connection), "subject")
        question = {"method": "POST", "url": f"{shop.url}/orders", "headers": [["Authorization", f"Bearer {token}"]]}
        for _ in range(90):  # more than the bursts of both workers
            answer = shop.admin("POST", "/explain", question)
            assert (answer.status, answer.json()["outcome"]) == (200, "forward")
        after = left(post(shop, token, connection), "subject")
    assert 38 <= before <= 39
    assert after >= before - 1


def test_an_explanation_sees_what_the_workers_have_counted(shop: Any, customer: str, until: Any) -> None:
    question = {"method": "POST", "url": f"{shop.url}/orders", "headers": [["Authorization", f"Bearer {customer}"]]}
    assert shop.admin("POST", "/explain", question).json()["outcome"] == "forward"

    def used_up() -> Any:
        with shop.connect() as connection:  # a new one may meet another worker, and every worker counts by itself
            while post(shop, customer, connection).status != 429:
                pass
        explained = shop.admin("POST", "/explain", question).json()
        return explained["outcome"] != "forward" and explained

    explained = until(used_up)
    assert (explained["status"], explained["reason"]) == (429, "rate_limited")
    assert explained["steps"][-1]["verdict"] == "deny"


def test_the_command_explains_a_refusal_with_its_line(shop: Any) -> None:
    told = shop.gatehouse("explain", "POST", "/orders", "--as", "carol", code=1)
    assert "orders-write" in told
    assert "orders:write" in told
    assert re.search(r"shop\.yaml:\d+", told)
