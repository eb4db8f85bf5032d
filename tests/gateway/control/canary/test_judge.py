"""The decision about a canary: never on too few, never for a shared fault, always in time, and only once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.control.canary.book import Book, Watched
from gateway.control.canary.judge import judge
from gateway.control.canary.window import STEPS, Window
from gateway.observability.outcomes import BOUNDS, Outcomes
from gateway.spec.models import Canary, CanaryLatency, CanaryRollback

SECONDS = st.floats(0.0001, 100)
RULES = st.builds(
    CanaryRollback,
    error_ratio=st.floats(0, 1),
    latency=st.none() | st.builds(CanaryLatency, max=st.floats(0.001, 5), quantile=st.floats(0.5, 0.95)),
    min_requests=st.integers(20, 100),
    window=st.just(30.0),
)


def side(requests: int, failures: int = 0, *times: float) -> Outcomes:
    """So many requests, their times taken in turn."""
    counted = Outcomes()
    for number in range(requests):
        counted.count(number < failures, times[number % len(times)] if times else None)
    return counted


@st.composite
def sides(draw: st.DrawFn, least: int = 0, most: int = 300) -> Outcomes:
    requests = draw(st.integers(least, most))
    times = draw(st.lists(SECONDS, max_size=5))
    return side(requests, draw(st.integers(0, requests)), *times)


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


# -- one window -----------------------------------------------------------------------------------------------


@given(RULES, st.data(), st.booleans())
def test_too_few_requests_decide_nothing(rules: CanaryRollback, data: st.DataObject, whole: bool) -> None:
    canary = data.draw(sides(most=rules.min_requests - 1))
    assert judge(rules, canary, data.draw(sides()), whole) is None


@given(RULES, sides(least=100), st.booleans())
def test_what_both_sides_share_is_not_the_canarys_fault(rules: CanaryRollback, both: Outcomes, whole: bool) -> None:
    assert judge(rules, both, both, whole) is None


@given(RULES, sides(), sides(least=100))
def test_a_canary_without_failures_and_faster_than_max_stays(
    rules: CanaryRollback, canary: Outcomes, stable: Outcomes
) -> None:
    good = Outcomes(canary.requests, 0, {0: canary.requests})
    assert judge(rules, good, stable, True) is None


def test_errors_are_compared_with_the_stable_side() -> None:
    rules = CanaryRollback(error_ratio=0.05)
    assert judge(rules, side(100, 5), side(100), True) is None
    blame = judge(rules, side(100, 6), side(900, 9), True)
    assert blame is None  # 6 % to 1 %: not more than 5 % more
    blame = judge(rules, side(100, 7), side(900, 9), True)
    assert blame is not None
    assert blame.cause == "error_ratio"
    assert blame.why == (
        "7 of 100 requests failed (7 %); of the stable side 9 of 900 requests failed (1 %); 5 % more are allowed"
    )


def test_slow_is_beyond_max_and_beyond_the_stable_side() -> None:
    rules = CanaryRollback(latency=CanaryLatency(max=0.3, ratio=2.0))
    fast, slow, slower = side(100, 0, 0.02), side(100, 0, 0.4), side(100, 0, 0.9)
    assert judge(rules, side(100, 0, 0.2), fast, True) is None  # ten times as slow, and still fast enough
    assert judge(rules, slow, slow, True) is None  # all are slow: a database, perhaps
    blame = judge(rules, slower, slow, True)
    assert blame is not None
    assert blame.cause == "latency"
    assert blame.why.startswith("p95 was ")
    assert judge(rules, slow, side(10), False) is None
    assert judge(rules, slow, side(10), True) is not None  # nobody to compare with: `max` by itself


def test_without_a_stable_side_a_whole_window_is_waited_for() -> None:
    rules = CanaryRollback()
    assert judge(rules, side(60, 60), side(49), False) is None
    assert judge(rules, side(60, 60), side(50), False) is not None
    assert judge(rules, side(60, 60), side(0), True) is not None


def test_a_ratio_of_one_never_rolls_back() -> None:
    assert judge(CanaryRollback(error_ratio=1.0), side(100, 100), side(100), True) is None


@given(st.lists(SECONDS, min_size=1, max_size=200), st.floats(0.01, 0.99))
def test_quantiles_are_within_a_twentieth(times: list[float], share: float) -> None:
    counted = side(len(times), 0, *times)
    exact = sorted(times)[math.ceil(share * len(times)) - 1]
    found = counted.quantile(share)
    assert found is not None
    if exact < BOUNDS[-1]:
        assert found == pytest.approx(exact, rel=0.051)


# -- windows after each other ---------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.floats(0, 5), sides(most=20), sides(most=20)), max_size=60))
def test_a_window_holds_exactly_what_is_young(reports: list[tuple[float, Outcomes, Outcomes]]) -> None:
    window, now, seen = Window(10.0, 0.0), 0.0, []
    for pause, canary, stable in reports:
        now += pause
        window.add(now, canary, stable)
        seen.append((now, canary))
    window.expire(now)
    certain = sum(one.requests for when, one in seen if now - when < 9.999 - 10.0 / STEPS)
    possible = sum(one.requests for when, one in seen if now - when < 10.001)
    assert certain <= window.canary.requests <= possible
    window.expire(now + 10.001)
    assert (window.canary, window.stable) == (Outcomes(), Outcomes())


def watched(clock: Clock, **rules: object) -> Watched:
    book = Book(clock, clock)
    book.follow({"all": Canary(cluster="v2", weight=10, rollback=CanaryRollback.model_validate(rules))})
    return book.watched["all"]


class Workers:
    """Traffic of several workers, reported as cumulative counts, one report a second each."""

    def __init__(self, one: Watched, clock: Clock, number: int) -> None:
        self.one, self.clock = one, clock
        self.counts = [(Outcomes(), Outcomes()) for _ in range(number)]
        for worker in range(number):
            self.report(worker)

    def report(self, worker: int) -> str | None:
        canary, stable = (Outcomes(side.requests, side.failures, side.times) for side in self.counts[worker])
        return self.one.report(f"gateway-{worker}", canary, stable)

    def second(self, canary: int, stable: int, failing: int = 0, failing_stable: int = 0) -> list[str]:
        """A second's traffic of each worker; what was decided."""
        decided = []
        for worker, (one, other) in enumerate(self.counts):
            self.clock.now += 1 / len(self.counts)
            one.add(side(canary, failing))
            other.add(side(stable, failing_stable))
            decided.append(self.report(worker))
        return [cause for cause in decided if cause]


@settings(deadline=None)
@given(
    workers=st.integers(1, 4),
    good_seconds=st.integers(0, 70),
    per_second=st.integers(2, 20),
    error_ratio=st.floats(0, 0.9),
)
def test_a_clear_fault_is_answered_within_one_window(
    workers: int, good_seconds: int, per_second: int, error_ratio: float
) -> None:
    clock = Clock()
    one = watched(clock, errorRatio=error_ratio, minRequests=20, window=30.0)
    traffic = Workers(one, clock, workers)
    for _ in range(good_seconds):
        assert traffic.second(per_second, per_second * 9) == []
    began = clock.now
    while not traffic.second(per_second, per_second * 9, failing=per_second):
        assert clock.now - began < 31  # a window, and the second whose report ends it
    assert one.decision.state == "rolled_back"
    assert one.decision.weight == 0


@settings(deadline=None)
@given(
    reports=st.lists(
        st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30), st.integers(0, 30)),
        max_size=50,
    )
)
def test_it_never_flaps(reports: list[tuple[int, int, int, int]]) -> None:
    """Whatever comes after it, a roll-back is one, and stays."""
    clock = Clock()
    one = watched(clock, errorRatio=0.1, minRequests=10, window=5.0)
    traffic, causes = Workers(one, clock, 2), []
    for canary, stable, failing, failing_stable in reports:
        causes += traffic.second(canary, stable, min(failing, canary), min(failing_stable, stable))
        assert one.decision.state == ("rolled_back" if causes else "running")
    assert len(causes) <= 1


def test_nothing_of_before_counts_after_a_change() -> None:
    clock = Clock()
    one = watched(clock, minRequests=10, window=10.0)
    traffic = Workers(one, clock, 1)
    assert traffic.second(20, 100, failing=20) == ["error_ratio"]
    one.resume("again")
    assert (one.decision.state, one.decision.weight) == ("running", 10)
    for _ in range(20):
        assert traffic.second(20, 100) == []
    assert traffic.second(40, 100, failing=40) == ["error_ratio"]


def test_a_first_report_and_a_restart_are_no_growth() -> None:
    """Control's own restart, and a worker's: old counts are not taken for new ones, nor new ones for negative ones."""
    clock = Clock()
    one = watched(clock, minRequests=10, window=10.0)
    assert one.report("gateway-1", side(1000, 1000), side(1000)) is None
    assert one.view()["canary"]["requests"] == 0
    assert one.report("gateway-1", side(5, 0), side(7)) is None
    assert one.view()["canary"]["requests"] == 5
    one.forget("gateway-1")
    assert one.report("gateway-1", side(900, 900), side(900)) is None
    assert one.view()["canary"]["requests"] == 5


def test_promoted_means_judged_no_more() -> None:
    clock = Clock()
    one = watched(clock, minRequests=10, window=2.0)
    one.promote("well done")
    traffic = Workers(one, clock, 1)
    for _ in range(5):
        assert traffic.second(100, 0, failing=100) == []
    assert (one.decision.state, one.decision.weight, one.decision.open) == ("promoted", 100, True)
    one.roll_back("after all")
    assert (one.decision.weight, one.decision.open) == (0, False)
    one.resume("once more")
    assert one.decision.weight == 10


def test_a_weight_of_nothing_is_not_judged() -> None:
    clock = Clock()
    one = watched(clock, minRequests=10, window=2.0)
    one.set_weight(0, "a pause")
    assert Workers(one, clock, 1).second(100, 100, failing=100) == []
    assert one.decision.open


# -- the book -------------------------------------------------------------------------------------------------


def test_a_decision_belongs_to_the_block_it_was_made_for() -> None:
    clock, block = Clock(), Canary(cluster="v2", weight=10)
    book = Book(clock, clock)
    assert book.follow({"all": block})
    book.watched["all"].roll_back("bad")
    assert not book.follow({"all": block.model_copy()})
    assert book.orders()["all"] == {"of": block.digest, "weight": 0, "open": False}
    assert book.follow({"all": Canary(cluster="v2", weight=20)})
    assert book.orders()["all"]["weight"] == 20
    assert book.report("gateway-1", "all", block.digest, side(100, 100), side(100)) is None
    assert book.follow({})
    assert book.orders() == {}


def test_saved_decisions_hold_for_the_same_block_and_only_once() -> None:
    clock, block, other = Clock(), Canary(cluster="v2", weight=10), Canary(cluster="v2", weight=11)
    book = Book(clock, clock)
    book.follow({"all": block, "more": block})
    for one in book.watched.values():
        one.roll_back("bad")
    saved = {route: one.decision for route, one in book.watched.items()}
    again = Book(clock, clock, saved)
    again.follow({"all": block, "more": other})
    assert [one.decision.state for one in again.watched.values()] == ["rolled_back", "running"]
    again.follow({"all": other})
    again.follow({"all": block})
    assert again.watched["all"].decision.state == "running"  # the file said something else in between
