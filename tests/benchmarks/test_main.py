"""The command line: which workloads and proxies are run."""

from __future__ import annotations

import pytest

from benchmarks.__main__ import arguments, chosen
from benchmarks.workloads import WORKLOADS


def test_everything_by_default() -> None:
    assert chosen("") == list(WORKLOADS)


def test_a_workload_brings_the_one_it_builds_on() -> None:
    assert [workload.name for workload in chosen("latency, plain")] == ["plain", "policy", "latency"]


def test_an_unknown_workload_is_told_with_those_that_exist() -> None:
    with pytest.raises(SystemExit, match=r"unknown workload plane; known are plain, policy"):
        chosen("plane")


@pytest.mark.parametrize("text", ["0", "-1", "x", "1.5"])
def test_rounds_must_be_a_number_that_makes_sense(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        arguments().parse_args(["--rounds", text])
    assert "whole number" in capsys.readouterr().err
