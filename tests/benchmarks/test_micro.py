"""The microbenchmark does what it measures: each step runs, and the whole is a real answer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmarks.micro import SETUPS
from benchmarks.micro_steps import build, optional_steps, request_steps
from benchmarks.policy_cases import POLICIES
from benchmarks.policy_costs import as_lines, policy_costs
from benchmarks.timing import compare, measure
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


async def test_every_policy_lets_the_request_pass_alone_and_in_the_chain(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    calls: list[int] = []

    def once(step: Callable[[], object], base: Callable[[], object], count: int) -> float:
        step()
        base()
        calls.append(count)
        return float(len(calls))

    costs = await policy_costs(prepare(tmp_path_factory.mktemp("costs")), once, 7)
    assert [one.policy for one in costs] == list(POLICIES)
    unchained = [one.policy for one in costs if one.in_chain is None]
    assert unchained == ["ApiKey", "JWT, a remembered token", "Authorize, one scope", "WebhookSignature"]
    assert len(calls) == 2 * len(costs) - len(unchained)
    assert min(calls) == 1 < max(calls) == 7
    assert len(as_lines(costs)) == len(costs) + 1


def test_measure_counts_calls() -> None:
    calls: list[int] = []
    assert measure(lambda: calls.append(1), 10) >= 0.0
    assert len(calls) % 10 == 0


def test_compare_takes_turns() -> None:
    calls: list[str] = []
    assert compare(lambda: calls.append("step"), lambda: calls.append("base"), 2) < 1_000.0
    assert calls[:4] == ["step", "step", "base", "base"]
    assert calls == calls[:4] * (len(calls) // 4)
