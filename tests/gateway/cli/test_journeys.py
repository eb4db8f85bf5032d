"""`gatehouse journeys --time`: what is made of several rounds."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from gateway.cli.journeys import _by_round, _print_times
from gateway.cli.main import cli

LINES: list[dict[str, Any]] = [
    {"journey": "browse", "passed": True, "seconds": 0.9},
    {"journey": "order", "passed": True, "seconds": 0.5},
    {"passed": 2, "of": 2},
    {"journey": "browse", "passed": True, "seconds": 0.1},
    {"journey": "order", "passed": False, "seconds": 0.3},
    {"passed": 1, "of": 2},
    {"journey": "browse", "passed": True, "seconds": 0.2},
    {"journey": "order", "passed": True, "seconds": 0.3},
    {"passed": 2, "of": 2},
]


def test_rounds() -> None:
    rounds = list(_by_round(iter(LINES), echo=False))
    assert [(len(outcomes), summary["passed"]) for outcomes, summary in rounds] == [(2, 2), (2, 1), (2, 2)]


def test_times_are_those_of_each_journey_and_of_all(capsys: pytest.CaptureFixture[str]) -> None:
    _print_times([outcomes for outcomes, _ in _by_round(iter(LINES), echo=False)][1:])
    said = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert said == [
        "JOURNEY MEDIAN SLOWEST",
        "browse 150 ms 200 ms",
        "order 300 ms 300 ms",
        "2 rounds; the median of all journeys is 250 ms.",
    ]


@pytest.mark.parametrize("words", [["--time"], ["--time", "--rounds", "3", "--json"]])
def test_times_want_two_rounds_and_people(words: list[str]) -> None:
    assert CliRunner().invoke(cli, ["journeys", *words]).exit_code == 2
