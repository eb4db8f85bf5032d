"""Each control removed alone from the full configuration: which attacks get through then.

The problem: a scenario takes away everything that would stop its attack, so it does not tell which of two controls did.
The rule: the full configuration, and one thing missing at a time. Where the attack is stopped all the same, the control
has a second one behind it: defence in depth. What is found is written down (matrix.json), and compared at each run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from scenarios.lab import judge
from scenarios.lab.model import Instead, Scenario, Weakness
from scenarios.lab.show import weakness_text
from scenarios.lab.target import Target

WRITTEN: Final = Path(__file__).with_name("matrix.json")


@dataclass(frozen=True)
class Removed:
    """One control, and the scenarios in which it is taken away."""

    text: str
    scenarios: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """What one attack came to, with one control missing."""

    scenario: str
    removed: str
    breached: bool


def controls(catalogue: Mapping[str, Scenario]) -> list[Removed]:
    """Every control that can be removed alone, once, however many scenarios it stops. Architectures cannot."""
    found: dict[str, list[str]] = {}
    for scenario in catalogue.values():
        for one in removable(scenario):
            found.setdefault(weakness_text(one), []).append(scenario.id)
    return [Removed(text, tuple(ids)) for text, ids in found.items()]


def removable(scenario: Scenario) -> list[Weakness]:
    """What can be taken away of the running whole."""
    return [one for one in scenario.weaknesses if not isinstance(one, Instead)]


def alone(scenario: Scenario, target: Target) -> Iterator[Entry]:
    """The attack, with each of the scenario's controls missing alone; afterwards the target is defended."""
    for one in removable(scenario):
        weakened = replace(scenario, weaknesses=(one,))
        try:
            target.weaken(weakened)
            run = judge.attack(weakened, target)
        finally:
            target.restore(weakened)
        yield Entry(scenario.id, weakness_text(one), run.outcome.breached)


def in_depth(entries: Iterable[Entry]) -> list[str]:
    """Scenarios that no single removal opens."""
    opened: dict[str, bool] = {}
    for one in entries:
        opened[one.scenario] = opened.get(one.scenario, False) or one.breached
    return [scenario for scenario, open_ in opened.items() if not open_]


def written() -> list[Entry]:
    """What was found when somebody last wrote it down."""
    return [Entry(**one) for one in json.loads(WRITTEN.read_text("utf-8"))]


def view(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """As JSON."""
    return [vars(one) for one in entries]


def differences(found: Iterable[Entry], before: Iterable[Entry]) -> list[str]:
    """What is otherwise than it was written down."""
    known = {(one.scenario, one.removed): one.breached for one in before}
    return [
        f"{one.scenario}, without {one.removed}: {_word(one.breached)}, written down is {_word(not one.breached)}"
        for one in found
        if known.get((one.scenario, one.removed), one.breached) != one.breached
    ]


def new(found: Iterable[Entry], before: Iterable[Entry]) -> list[Entry]:
    """What nobody has written down yet."""
    known = {(one.scenario, one.removed) for one in before}
    return [one for one in found if (one.scenario, one.removed) not in known]


def _word(breached: bool) -> str:
    return "breached" if breached else "stopped"
