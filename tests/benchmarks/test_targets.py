"""Targets against rows: met, missed, undecided."""

from __future__ import annotations

import pytest

from benchmarks.model import Row, Sample, Target, Workload, median_row
from benchmarks.report import Report
from benchmarks.targets import UNITS, judge, words
from benchmarks.workloads import WORKLOADS


def test_verdicts_of_a_run(report: Report) -> None:
    found = [(verdict.value, verdict.met, verdict.word) for verdict in report.verdicts()]
    assert found == [(0.5, True, "met"), (2.0, False, "MISSED"), (None, None, "not measured"), (80.5, False, "MISSED")]


@pytest.mark.parametrize(("value", "met"), [(59.9, True), (60.0, True), (60.1, False)])
def test_the_limit_itself_is_met(report: Report, value: float, met: bool) -> None:
    rows = [Row("plain", "gatehouse", {"cpu_us": value}), Row("plain", "envoy", {"cpu_us": 100.0})]
    assert judge(report.workloads[0], rows)[0].met is met


@pytest.mark.parametrize(("value", "met"), [(3.9, False), (4.0, True), (4.1, True)])
def test_more_can_be_better(report: Report, value: float, met: bool) -> None:
    rows = [Row("plain", "gatehouse", {"rate": value}), Row("plain", "envoy", {"rate": 1.0})]
    assert judge(report.workloads[0], rows)[1].met is met


def test_a_void_row_decides_nothing(report: Report) -> None:
    rows = [Row("plain", "gatehouse", {"cpu_us": 1.0}, failed=1), Row("plain", "envoy", {"cpu_us": 100.0})]
    assert judge(report.workloads[0], rows)[0].met is None


def test_rows_of_other_workloads_do_not_count(report: Report) -> None:
    rows = [Row("policy", "gatehouse", {"cpu_us": 1.0}), Row("policy", "envoy", {"cpu_us": 100.0})]
    assert {verdict.met for verdict in judge(report.workloads[0], rows)} == {None}


def test_words() -> None:
    assert words(Target("gatehouse", "cpu_us", 0.6, "envoy")) == "gatehouse: CPU µs/request ≤ 0.6 × envoy"
    assert words(Target("gatehouse", "growth_mib", 8.0)) == "gatehouse: growth MiB ≤ 8"


def test_medians_and_failures_of_rounds() -> None:
    rounds = [Sample({"cpu_us": 30.0}), Sample({"cpu_us": 90.0}, failed=2), Sample({"cpu_us": 31.0})]
    row = median_row("plain", "envoy", rounds)
    assert row.values == {"cpu_us": 31.0}
    assert row.rounds == {"cpu_us": [30.0, 90.0, 31.0]}
    assert (row.failed, row.void) == (2, True)


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_targets_speak_of_rows_and_numbers_that_exist(workload: Workload) -> None:
    names = {entry.name for entry in workload.entries}
    assert len(names) == len(workload.entries)
    assert workload.metric in UNITS
    for target in workload.targets:
        assert {target.row, target.base or target.row} <= names
        assert target.metric in UNITS
