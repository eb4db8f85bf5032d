"""Which failures are repeated, how long waits are, that the budget holds: properties, and a slow reference."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.spec.models import Route
from gateway.spec.tries import Retry, RetryBudget
from gateway.upstream.retry import NARROWEST, Budget, RetryPolicy, Tried, back_off, under_way
from gateway.upstream.tries import Tries

CLASSES = ("connect-failure", "reset", "timeout", "gateway-error", "5xx")


def policy(**keys: Any) -> RetryPolicy:
    return RetryPolicy(Retry(**keys))


def tried(method: str = "GET", **changes: Any) -> Tried:
    return Tried(**{"method": method, "has_key": False, "whole": True, "retries": 0, **changes})


def test_left_out_it_is_what_the_gateway_api_advises() -> None:
    """GEP-1731: connection errors when a retry stanza stands there at all, answers only by their codes."""
    ours = policy()
    assert [ours.class_of_failure(reason) for reason in NARROWEST] == [
        "connect-failure", "connect-failure", "connect-failure", "reset", "timeout", None, None,
    ]  # fmt: skip
    assert [ours.class_of_status(status) for status in (200, 404, 500, 503)] == [None] * 4
    assert policy(codes=(409, 503)).class_of_status(409) == "retriable-status-codes"


@pytest.mark.parametrize("wide", ["gateway-error", "5xx"])
def test_wider_classes_hold_all_ways_to_get_no_answer(wide: Any) -> None:
    assert all(policy(on=(wide,)).class_of_failure(reason) == narrow for reason, narrow in NARROWEST.items())
    assert policy(on=(wide,)).class_of_failure("upstream_overflow") is None  # more load is no help against load
    assert policy(on=(wide,)).class_of_failure("no_endpoint") is None


@given(st.integers(100, 599), st.sets(st.sampled_from(CLASSES)), st.sets(st.integers(400, 599), max_size=5))
def test_statuses_by_envoys_words(status: int, on: set[Any], codes: set[int]) -> None:
    wanted = (
        "retriable-status-codes" if status in codes
        else "gateway-error" if 502 <= status <= 504 and on & {"gateway-error", "5xx"}
        else "5xx" if 500 <= status <= 599 and "5xx" in on
        else None
    )  # fmt: skip
    assert policy(on=tuple(on), codes=tuple(codes)).class_of_status(status) == wanted


def test_what_may_have_reached_the_service_is_repeated_only_where_that_does_no_harm() -> None:
    ours = policy()
    assert [ours.refusal("reset", tried(method)) for method in ("GET", "PUT", "DELETE")] == [""] * 3
    assert [ours.refusal("reset", tried(method)) for method in ("POST", "PATCH", "PURGE")] == ["method"] * 3
    assert ours.refusal("connect-failure", tried("POST")) == ""  # nothing was sent
    assert ours.refusal("reset", tried("POST", has_key=True)) == "method"  # a client cannot promise for the service
    assert policy(idempotency_keys=True).refusal("reset", tried("POST", has_key=True)) == ""
    assert policy(idempotency_keys=True).refusal("reset", tried("POST")) == "method"
    assert policy(methods=("POST",)).refusal("reset", tried("POST")) == ""
    assert ours.refusal("reset", tried(whole=False)) == "body"
    assert [policy(attempts=2).refusal("reset", tried(retries=count)) for count in (1, 2)] == ["", "attempts"]


@given(st.integers(1, 50), st.floats(0.001, 10.0), st.integers())
def test_back_off_keeps_its_bounds(number: int, base: float, seed: int) -> None:
    wait = back_off(number, base, Random(seed))
    assert 0 <= wait <= (2**number - 1) * base
    assert wait <= 10 * base


@pytest.mark.parametrize(("number", "most"), [(1, 0.025), (2, 0.075), (3, 0.175), (4, 0.25), (9, 0.25)])
def test_back_off_draws_from_all_of_it(number: int, most: float) -> None:
    """Full jitter, with the numbers of Envoy's documentation: 0 to 24 ms, to 74 ms, and so on."""
    random = Random(1)
    waits = [back_off(number, 0.025, random) for _ in range(2_000)]
    assert max(waits) < most
    assert max(waits) > 0.99 * most
    assert min(waits) < 0.01 * most


@dataclass
class Reference:
    """The rule as one would write it down: every request under way is an object, and everything is counted anew."""

    percent: float
    minimum: int
    requests: list[dict[str, bool]] = field(default_factory=list)

    def retries(self) -> int:
        return sum(one["retry"] for one in self.requests)

    def allows(self) -> bool:
        firsts = max(0, sum(one["on_endpoint"] for one in self.requests) - self.retries())
        return self.retries() + 1 <= max(self.minimum, self.percent / 100 * firsts)


@given(
    st.floats(0, 100),
    st.integers(0, 10),
    st.integers(0, 60),
    st.lists(st.tuples(st.sampled_from(("begin", "fail", "wake", "end")), st.integers(0, 1_000)), max_size=200),
)
def test_the_budget_is_never_exceeded(percent: float, minimum: int, first: int, events: list[tuple[str, int]]) -> None:
    """Any interleaving of requests that begin, fail and are retried or not, wake up again, and end."""
    budget, reference = Budget(RetryBudget(percent=percent, minimum=minimum)), Reference(percent, minimum)
    reference.requests += [{"retry": False, "on_endpoint": True} for _ in range(first)]

    def requests() -> int:
        return sum(one["on_endpoint"] for one in reference.requests)

    for event, number in events:
        if event == "begin":
            reference.requests.append({"retry": False, "on_endpoint": True})
            continue
        if not reference.requests:
            continue
        one = reference.requests[number % len(reference.requests)]
        if event == "wake":
            one["on_endpoint"] = True
            continue
        reference.requests.remove(one)  # its try is over
        if one["retry"]:
            budget.give_back()
        if event == "fail":
            allowed = reference.allows()
            firsts = max(0, requests() - reference.retries())
            assert budget.take(requests()) is allowed
            if allowed:
                reference.requests.append({"retry": True, "on_endpoint": False})  # it waits first
                assert budget.retries <= max(minimum, percent / 100 * firsts)
        assert budget.retries == reference.retries()
    assert budget.retries >= 0


def test_the_share_is_of_requests_that_are_no_retries() -> None:
    """Of 120 under way 20 may be retries: a fifth of the other 100."""
    budget = Budget(RetryBudget(percent=20, minimum=0))
    taken = [budget.take(100 + budget.retries) for _ in range(30)]
    assert taken == [True] * 20 + [False] * 10
    budget.give_back()
    assert budget.take(120)
    assert [Budget(RetryBudget()).take(0), Budget(RetryBudget(minimum=0)).take(4)] == [True, False]


@given(st.integers(1, 10), st.lists(st.sampled_from((*NARROWEST, "500", "503", "200")), max_size=40))
def test_tries_are_bounded_whatever_happens(attempts: int, outcomes: list[str]) -> None:
    ours = policy(attempts=attempts, on=("5xx",))
    budget = Budget(RetryBudget(minimum=1))
    tries = 0
    for outcome in outcomes:
        tries += 1
        found = ours.class_of_status(int(outcome)) if outcome.isdigit() else ours.class_of_failure(outcome)
        if budget.retries:
            budget.give_back()
        if found is None or ours.refusal(found, tried(retries=tries - 1)) or not budget.take(1):
            break
    assert tries <= 1 + attempts


def test_under_way_is_all_that_a_cluster_has_in_hand() -> None:
    class Pool:
        def __init__(self, active: int, connecting: int) -> None:
            self.active, self.connecting = active, connecting

    assert under_way([Pool(2, 1), Pool(0, 3)], 4) == 10


def test_a_route_that_says_nothing_has_none() -> None:
    assert Tries.of(Route(name="a")) is None
