"""The microbenchmark does what it measures: each step runs, and the whole is a real answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.micro import SETUPS, measure
from benchmarks.micro_guards import guard_steps
from benchmarks.micro_mediation import mediation_steps
from benchmarks.micro_policies import policy_steps
from benchmarks.micro_steps import build, optional_steps, request_steps
from benchmarks.work import prepare


@pytest.mark.parametrize("name", SETUPS)
async def test_every_step_can_be_repeated(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    bench = await build(prepare(tmp_path_factory.mktemp("micro")), SETUPS[name])
    steps = request_steps(bench) | optional_steps(bench)
    for step in steps.values():
        step()
        step()
    bench.once()
    assert bench.to_client.last.startswith(b"HTTP/1.1 200 OK")
    assert ("filter JWT: decide" in steps) is (name == "policy")


def test_guards_are_measured_on_what_they_let_pass() -> None:
    for step in guard_steps().values():
        assert step() is None


def test_mediation_is_measured_on_what_passes_both_ways() -> None:
    requests, answers = list(mediation_steps().values())[::2], list(mediation_steps().values())[1::2]
    for step in requests:
        assert step() is step() is None
    for step in answers:
        assert step() == step() != b""


def test_every_policy_decides_again_and_again(tmp_path: Path) -> None:
    steps = policy_steps(tmp_path)
    assert len(steps) == 8
    for step in steps.values():
        assert step() is None
        assert step() is None


def test_measure_counts_calls() -> None:
    calls: list[int] = []
    assert measure(lambda: calls.append(1), 10) >= 0.0
    assert len(calls) % 10 == 0
