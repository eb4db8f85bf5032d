"""Outlier detection, by a clock of our own: who is ejected, for how long, and never too many."""

from __future__ import annotations

import logging
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.spec.endpoints import OutlierDetection as Spec
from gateway.spec.models import Cluster as ClusterSpec
from gateway.upstream.cluster import Cluster
from gateway.upstream.outliers import BLAMED, OutlierDetection


class Judged:
    """A cluster with a clock, and ways to tell it what happened."""

    def __init__(self, count: int, panic_threshold: int = 50, **fields: Any) -> None:
        self.now = 1_000.0
        addresses = tuple(f"127.0.0.1:{port}" for port in range(1, count + 1))
        spec = ClusterSpec(
            name="shop", endpoints=addresses, outlier_detection=Spec(**fields), panic_threshold=panic_threshold
        )
        self.cluster = Cluster(spec, addresses, lambda: self.now, Random(1))
        assert self.cluster.outliers is not None
        self.outliers: OutlierDetection = self.cluster.outliers

    def says(self, place: int, *statuses: int) -> None:
        for status in statuses:
            self.outliers.result(self.cluster.endpoints[place], status, "")

    def fails(self, place: int, *errors: str) -> None:
        for error in errors:
            self.outliers.result(self.cluster.endpoints[place], 0, error)

    def later(self, seconds: float) -> None:
        """Time goes by, and is looked at once a second, as the worker does."""
        for _ in range(int(seconds)):
            self.now += 1
            self.cluster.sweep(self.now)

    @property
    def ejected(self) -> list[int]:
        return [place for place, one in enumerate(self.cluster.endpoints) if one.outlier and one.outlier.until]

    @property
    def used(self) -> list[int]:
        return [place for place, one in enumerate(self.cluster.endpoints) if self.cluster.uses(one)]


def test_five_failures_in_a_row_eject(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "gateway.cluster")
    one = Judged(3)
    one.says(0, 500, 503, 200, 500, 500, 500, 504)
    assert one.ejected == []
    one.fails(0, "upstream_reset")
    assert one.ejected == [0]
    assert one.used == [1, 2]
    assert one.cluster.endpoints[0].state(one.now) == ("ejected", "5 failures in a row, 30 s left")
    assert one.cluster.metrics.ejections.values == {("shop", "consecutive_5xx"): 1}
    one.later(29)
    assert one.ejected == [0]
    one.later(1)
    assert one.ejected == []
    assert one.used == [0, 1, 2]
    assert [record.getMessage() for record in caplog.records] == [
        "cluster shop: endpoint 127.0.0.1:1 ejected for 30 s: 5 failures in a row",
        "cluster shop: endpoint 127.0.0.1:1 is no longer ejected: its time is over",
    ]
    one.says(0, 500, 500, 500, 500)
    assert one.ejected == []  # it began anew


@pytest.mark.parametrize("error", sorted(BLAMED))
def test_what_is_an_endpoints_fault_counts(error: str) -> None:
    one = Judged(2)
    one.fails(1, *[error] * 5)
    assert one.ejected == [1]


@pytest.mark.parametrize("error", ["client_gone", "client_protocol_error", "body_timeout", "answer_too_large"])
def test_what_is_not_its_fault_says_nothing(error: str) -> None:
    one = Judged(2)
    one.says(1, 500, 500, 500, 500)
    one.fails(1, *[error] * 9)
    assert one.ejected == []
    assert one.cluster.endpoints[1].outlier is not None
    assert one.cluster.endpoints[1].outlier.requests == 4
    one.says(1, 500)
    assert one.ejected == [1]


def test_each_time_it_takes_longer_until_it_behaves() -> None:
    one = Judged(2, max_ejection_time=75.0)
    lengths = []
    for _ in range(4):
        one.says(0, *[500] * 5)
        assert one.cluster.endpoints[0].outlier is not None
        lengths.append(one.cluster.endpoints[0].outlier.until - one.now)
        while one.ejected:
            one.later(1)
    assert lengths == [30, 60, 75, 75]
    one.later(100)  # ten intervals without: it is as good as new
    one.says(0, *[500] * 5)
    assert one.cluster.endpoints[0].outlier is not None
    assert one.cluster.endpoints[0].outlier.until - one.now == 30


@given(
    count=st.integers(1, 45),
    percent=st.integers(1, 100),
    failing=st.lists(st.tuples(st.integers(0, 44), st.booleans(), st.integers(0, 40)), max_size=120),
)
@settings(deadline=None)
def test_never_more_than_the_share_or_one(count: int, percent: int, failing: list[tuple[int, bool, int]]) -> None:
    one = Judged(count, max_ejection_percent=percent)
    most = max(1, count * percent // 100)
    for place, by_status, seconds in failing:
        if by_status:
            one.says(place % count, *[500] * 5)
        else:
            one.fails(place % count, *["upstream_timeout"] * 5)
        assert len(one.ejected) <= most
        one.later(seconds)
    assert one.used  # whatever happens, somebody gets requests


def test_ten_percent_of_twenty_are_two() -> None:
    one = Judged(20)
    for place in range(20):
        one.says(place, *[500] * 5)
    assert one.ejected == [0, 1]


def rates(one: Judged, *failures: int, requests: int = 100) -> None:
    """Each endpoint answers, with so many failures, never five in a row."""
    for place, failed in enumerate(failures):
        for number in range(requests):
            one.says(place, 500 if number * failed // requests != (number + 1) * failed // requests else 200)


def test_the_success_rate_of_one_that_is_far_below_the_others() -> None:
    one = Judged(6)
    rates(one, 1, 2, 0, 1, 40, 2)
    assert one.ejected == []
    one.later(10)
    assert one.ejected == [4]
    assert one.cluster.endpoints[4].state(one.now) == (
        "ejected",
        "60% of requests succeeded, 92% on average, 30 s left",
    )
    assert one.cluster.metrics.ejections.values == {("shop", "success_rate"): 1}


def test_of_several_the_worst_is_the_one() -> None:
    one = Judged(12, success_rate={"deviations": 0.5})
    rates(one, *[0] * 9, 30, 60, 40)
    one.later(10)
    assert one.ejected == [10]


@pytest.mark.parametrize(
    ("count", "requests", "fields"),
    [(4, 100, {}), (6, 99, {}), (6, 100, {"success_rate": None}), (6, 100, {"success_rate": {"deviations": 9.0}})],
)
def test_nobody_is_compared(count: int, requests: int, fields: dict[str, Any]) -> None:
    one = Judged(count, **fields)
    rates(one, *[0] * (count - 1), 50, requests=requests)
    one.later(10)
    assert one.ejected == []


def test_requests_of_the_interval_before_do_not_count() -> None:
    one = Judged(6)
    rates(one, 0, 0, 0, 0, 0, 60, requests=99)
    one.later(10)
    for place in range(6):
        one.says(place, 200)  # the hundredth of each
    one.later(10)
    assert one.ejected == []


def test_zero_switches_failures_in_a_row_off() -> None:
    one = Judged(2, consecutive_5xx=0)
    one.says(0, *[500] * 50)
    assert one.ejected == []


def test_a_good_check_ends_an_ejection() -> None:
    one = Judged(2)
    one.says(0, *[500] * 5)
    one.outliers.good_check(one.cluster.endpoints[0])
    assert one.ejected == []
    one.outliers.good_check(one.cluster.endpoints[1])


def test_a_single_endpoint_is_used_on_unless_panic_is_off() -> None:
    one = Judged(1)
    one.says(0, *[500] * 5)
    assert (one.ejected, one.used, one.cluster.panicking) == ([0], [0], True)
    other = Judged(1, panic_threshold=0)
    other.says(0, *[500] * 5)
    assert (other.ejected, other.used) == ([0], [])
    other.later(30)
    assert other.used == [0]


def test_what_is_known_stays_when_others_come_and_go() -> None:
    one = Judged(3)
    one.says(0, *[500] * 5)
    one.says(1, *[500] * 4)
    one.cluster.replace_endpoints(["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:9", "127.0.0.1:10"])
    assert one.ejected == [0]
    assert one.used == [1, 2, 3]
    one.cluster.replace_endpoints(["127.0.0.1:2", "127.0.0.1:9"])
    one.says(0, 500)  # the fifth one of 127.0.0.1:2
    assert one.ejected == [0]
