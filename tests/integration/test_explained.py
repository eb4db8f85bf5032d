"""Whoever was refused has a trace id, and with it everybody learns who refused, by which line, on what values."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

Until = Callable[..., Any]
PLACE = {"items": [{"product_id": 1, "quantity": 1}]}


def explained(shop: Any, until: Until, trace_id: str, services: int = 0) -> dict[str, Any]:
    """What the admin API knows, once it knows it: workers report four times a second, services' spans come later."""

    def look() -> dict[str, Any] | None:
        answer = shop.admin("GET", f"/explanations/{trace_id}")
        found: dict[str, Any] = answer.json()
        return found if answer.status == 200 and len(found["services"]) >= services else None

    found: dict[str, Any] = until(look)
    return found


def test_the_trace_id_of_a_refusal_leads_to_the_line_that_refused(shop: Any, until: Until, alice: str) -> None:
    bad = alice[:-4] + ("AAAA" if alice[-4:] != "AAAA" else "BBBB")
    problem = shop.send("GET", "/orders/1001?secret=in-the-query", token=bad).json()
    (told,) = explained(shop, until, problem["trace_id"])["explanations"]
    assert (told["outcome"], told["decided_by"], told["status"]) == ("deny", "gateway", 401)
    assert (told["reason"], told["policy"]) == (problem["reason"], problem["policy"])
    assert (told["route"]["name"], told["steps"][-1]["where"]) == ("orders-read", problem["policy"])
    assert bad not in str(told)
    assert "in-the-query" not in str(told)
    printed = shop.gatehouse("explain", "--trace", problem["trace_id"], code=1)
    assert f"GATEWAY: refused with 401, reason {problem['reason']}, by {problem['policy']}" in printed


def test_a_services_refusal_is_told_from_the_gateways(shop: Any, until: Until, customer: str) -> None:
    problem = shop.send("GET", "/orders/1001", token=customer).json()
    found = explained(shop, until, problem["trace_id"], services=1)
    (told,) = found["explanations"]
    assert (told["outcome"], told["decided_by"], told["status"]) == ("service_refused", "orders", problem["status"])
    assert [step["verdict"] for step in told["steps"]] == ["pass"] * 6
    assert (found["services"][0]["service"], found["services"][0]["reason"]) == ("orders", problem["reason"])
    printed = shop.gatehouse("explain", "--trace", problem["trace_id"], code=1)
    assert f"SERVICE orders: refused with {problem['status']}, reason {problem['reason']}" in printed


def test_a_sampled_request_that_passed_is_explained_too(shop: Any, until: Until, customer: str) -> None:
    answer = shop.send("POST", "/orders", token=customer, json=PLACE)
    (told,) = explained(shop, until, answer.trace_id)["explanations"]
    assert (told["outcome"], told["status"]) == ("forwarded", 201)
    assert told["token_seconds"] == pytest.approx(600, abs=5)


def test_an_id_that_a_stranger_chose_addresses_nothing(shop: Any, until: Until) -> None:
    chosen = "c0ffee" * 5 + "c0"
    problem = shop.send("GET", "/orders", headers={"traceparent": f"00-{chosen}-{'1' * 16}-01"}).json()
    assert problem["trace_id"] != chosen
    explained(shop, until, problem["trace_id"])
    assert shop.admin("GET", f"/explanations/{chosen}").status == 404


def test_a_call_that_was_refused_says_how_to_ask_why(shop: Any, until: Until) -> None:
    printed = shop.gatehouse("call", "nobody", "GET", "/orders", code=1)
    command = next(line for line in printed.splitlines() if line.startswith("why:"))
    trace_id = command.partition("--trace ")[2].split()[0]
    explained(shop, until, trace_id)
    told = json.loads(shop.gatehouse("explain", "--json", "--trace", trace_id[:12], code=1))
    assert told["explanations"][0]["reason"] == "token_missing"
