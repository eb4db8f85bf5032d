"""Running a scenario and judging it.

    run          the control off     the control on
    attack       must breach         must be stopped
    benign       must work           must work

Anything else is a failure of the scenario, with what was seen. A defence that also keeps honest people out is none.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from scenarios.lab.client import Exchange
from scenarios.lab.evidence import Evidence, Watch
from scenarios.lab.model import Outcome, Scenario
from scenarios.lab.target import Target


@dataclass
class Run:
    """One side: what the attack came to, whether honest people were served, and the evidence."""

    outcome: Outcome
    benign: bool
    attack_evidence: list[Exchange]
    benign_evidence: list[Exchange]
    requests: int
    seconds: float = 0.0
    more: Evidence | None = None
    """Trace, logs, counters, the deciding line: where somebody has asked for them."""

    def view(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "breached": self.outcome.breached,
            "got": self.outcome.got,
            "measures": dict(self.outcome.measures),
            "benign": self.benign,
            "requests": self.requests,
            "attack": [one.view() for one in self.attack_evidence],
            "honest": [one.view() for one in self.benign_evidence],
        }


@dataclass
class Verdict:
    """Both sides, and what follows from them."""

    scenario: Scenario
    without: Run
    defended: Run
    seconds: float
    meshed: Run | None = None
    """The attack on the mesh with everything defended; None where nobody looked, or the mesh is the defended side."""
    faults: list[str] = field(default_factory=list)
    """Why the scenario did not pass; empty when it did."""

    @property
    def passed(self) -> bool:
        """Breached without, stopped with, honest people served in both."""
        return not self.faults

    def view(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "id": self.scenario.id,
            "passed": self.passed,
            "faults": self.faults,
            "seconds": round(self.seconds, 2),
            "without": self.without.view(),
            "with": self.defended.view(),
            "in_the_mesh": self.meshed.view() if self.meshed else None,
        }


def run_scenario(
    scenario: Scenario, target: Target, elsewhere: Run | None = None, *, thorough: bool = False
) -> Verdict:
    """Attack without the control, then with it; afterwards the target is defended, whatever happened.

    `elsewhere` is the side without the control, where that is another architecture: see `run_elsewhere`.
    `thorough` runs bring traces, logs and counters along.
    """
    began = time.monotonic()
    try:
        without = elsewhere or _run_without(scenario, target, thorough)
        target.defend(scenario)
        defended = attack(scenario, target, thorough=thorough)
    finally:
        target.restore(scenario)
    verdict = Verdict(scenario, without, defended, time.monotonic() - began + (elsewhere.seconds if elsewhere else 0))
    verdict.faults = faults(without, defended)
    return verdict


def also_in_the_mesh(verdict: Verdict, target: Target) -> None:
    """Attack the mesh with every control in place: whatever the scenario is about, that must fail, too."""
    began = time.monotonic()
    with target.staged(verdict.scenario):
        verdict.meshed = attack(verdict.scenario, target)
    verdict.seconds += time.monotonic() - began
    if verdict.meshed.outcome.breached:
        verdict.faults.append(f"the attack got through in the mesh: {verdict.meshed.outcome.got}")
    if not verdict.meshed.benign:
        verdict.faults.append("the mesh keeps honest people out")


def run_elsewhere(scenario: Scenario, target: Target, *, thorough: bool = False) -> Run:
    """The side without the control, on an instance of the architecture that lacks it."""
    began = time.monotonic()
    try:
        run = _run_without(scenario, target, thorough)
    finally:
        target.restore(scenario)
    run.seconds = time.monotonic() - began
    return run


def _run_without(scenario: Scenario, target: Target, thorough: bool) -> Run:
    target.weaken(scenario)
    return attack(scenario, target, thorough=thorough)


@contextmanager
def staged(scenario: Scenario, target: Target) -> Iterator[None]:
    """What the scenario needs is there inside; the instance stays as weak, or as defended, as it is."""
    if not scenario.stage or scenario.id in target.broken():
        yield
        return
    target.defend(scenario)
    try:
        yield
    finally:
        target.restore(scenario)


def attack(scenario: Scenario, target: Target, *, thorough: bool = False) -> Run:
    """One attack on the target as it is, then what honest people do."""
    client = target.client
    watch = Watch(target) if thorough else None
    client.seen, client.sent = [], 0
    if client.watcher:
        client.watcher.enter("attack")
    outcome = scenario.attack(target)
    during, client.seen = client.seen, []
    if client.watcher:
        client.watcher.enter("honest")
    benign = scenario.benign(target)
    run = Run(outcome, benign, during, client.seen, client.sent)
    run.more = watch.of(run) if watch else None
    return run


def faults(without: Run, defended: Run) -> list[str]:
    """Why a scenario does not pass."""
    checks = (
        (without.outcome.breached, f"the attack failed though the control was off: {without.outcome.got}"),
        (without.benign, "honest people were not served without the control"),
        (not defended.outcome.breached, f"the attack got through the control: {defended.outcome.got}"),
        (defended.benign, "the control keeps honest people out"),
    )
    return [text for good, text in checks if not good]
