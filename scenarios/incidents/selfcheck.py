"""Every incident, for real, on shops of its own: it begins, shows, is answered, ends, and the shop is well again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from gateway.cli.console import Failure
from gateway.cli.instance import Instance
from scenarios.incidents import health, operations
from scenarios.incidents.case import Answers, Case
from scenarios.incidents.model import Incident
from scenarios.incidents.timeline import report, since
from scenarios.lab.model import Architecture
from scenarios.lab.private import private_instance

VISIBLE_WITHIN = 90.0
"""Seconds: a bound for a loaded machine; most show within ten."""
WELL_WITHIN = 90.0


@dataclass
class Outcome:
    """How one incident went."""

    incident: Incident
    seconds: float = 0.0
    case: Case | None = None
    faults: list[str] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Nothing is wrong with it."""
        return not self.faults

    def view(self) -> dict[str, Any]:
        """As JSON."""
        visible = since(self.case, self.case.visible) if self.case else None
        return {
            "incident": self.incident.id,
            "passed": self.passed,
            "faults": self.faults,
            "seconds": round(self.seconds, 1),
            "visible_after_s": visible,
            **self.told,
        }


def run(incident: Incident, instance: Instance) -> Outcome:
    """One incident from its begin to the healthy shop."""
    outcome, began = Outcome(incident), time.monotonic()
    try:
        try:
            _play(incident, instance, outcome)
        finally:
            outcome.case = operations.end(instance)
    except Failure as failure:
        outcome.faults.append(failure.format_message())
    if outcome.case is not None:
        outcome.told = report(outcome.case, Answers.of(instance.state_dir))
        if outcome.case.visible is not None and incident.signal.crossed(outcome.case.before):
            outcome.faults.append("the signal was crossed before the fault began")
    outcome.faults += health.until_well(instance, WELL_WITHIN)
    outcome.seconds = time.monotonic() - began
    return outcome


def _play(incident: Incident, instance: Instance, outcome: Outcome) -> None:
    operations.start(instance, incident, surprise=True, seconds=300.0)
    operations.wait_visible(instance, VISIBLE_WITHIN)
    cause = next(iter(incident.otherwise))
    wrong = operations.answer(instance, incident.services[0], cause)
    if wrong.right or incident.otherwise[cause] not in wrong.why or not wrong.hint:
        outcome.faults.append(f"a wrong answer was not explained: {wrong}")
    if not operations.answer(instance, incident.services[0], incident.id).right:
        outcome.faults.append("the right answer was not recognised")


def run_all(wanted: Iterable[Incident], tell: Callable[[str], None]) -> Iterator[Outcome]:
    """So many; on one shop without a mesh, and one with it for those that need it."""
    architectures: tuple[Architecture, ...] = ("gateway", "mesh")
    for architecture in architectures:
        chosen = [one for one in wanted if (one.architecture == "mesh") == (architecture == "mesh")]
        if not chosen:
            continue
        with private_instance(architecture) as instance:
            for one in chosen:
                tell(one.id)
                yield run(one, instance)
