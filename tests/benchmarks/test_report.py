"""The report as text and JSON."""

from __future__ import annotations

import json

import pytest

from benchmarks.report import Report, machine, number


def test_text_holds_rows_targets_and_what_is_missing(report: Report) -> None:
    text = report.as_text()
    assert "VOID: 7 failed" in text
    assert "met          gatehouse: CPU µs/request ≤ 0.6 × envoy (is 0.50)" in text
    assert "Targets: 1 met, 2 missed, of 4." in text
    behind = text.partition("Where we are behind:")[2]
    assert "requests/s ≥ 4 × envoy" in behind
    assert "a mesh" in behind
    assert "≤ 0.6" not in behind


def test_json_round_trip(report: Report) -> None:
    told = json.loads(json.dumps(report.as_json()))
    assert told["rows"][0]["rounds"] == {"cpu_us": [29.0, 30.0, 31.0]}
    assert [row["void"] for row in told["rows"]] == [False, False, True]
    assert [target["met"] for target in told["targets"]] == [True, False, None, False]


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0.00"), (1.234, "1.23"), (28.34, "28.3"), (17_204.4, "17 204"), (-3.1, "-3.10")]
)
def test_numbers_show_the_digits_that_count(value: float, text: str) -> None:
    assert number(value) == text


def test_the_machine_is_described() -> None:
    told = machine()
    assert int(told["cores"]) >= 1
    assert all(told.values())
