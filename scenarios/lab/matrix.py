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
from scenarios.lab.copies import Rejected
from scenarios.lab.model import Instead, Open, Rewrite, Scenario, Weakness
from scenarios.lab.show import weakness_text
from scenarios.lab.target import Target

WRITTEN: Final = Path(__file__).with_name("matrix.json")
CROSSED: Final = Path(__file__).with_name("crossed.json")
"""What each removal opens of the whole catalogue."""


@dataclass(frozen=True)
class Entry:
    """What one attack came to, with one control missing."""

    scenario: str
    removed: str
    breached: bool


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


def crossed(catalogue: Mapping[str, Scenario], missing: Weakness, of: Scenario, target: Target) -> list[str]:
    """Which attacks of the whole catalogue get through with one control missing; afterwards the target is defended.

    A control that is only there when its own scenario is staged is missed by that one's attack alone."""
    through: list[str] = []
    staged = isinstance(missing, Rewrite) and missing.staged
    try:
        for scenario in [of] if staged else catalogue.values():
            there = _lacks(target, scenario, missing, of)
            if there and judge.attack(replace(scenario, id=of.id), target).outcome.breached:
                through.append(scenario.id)
            if scenario.stage or any(isinstance(one, Open) for one in scenario.weaknesses):
                target.restore(replace(scenario, id=of.id, weaknesses=(*scenario.weaknesses, missing)))
    finally:
        target.restore(replace(of, weaknesses=(missing,)))
    return through


def _lacks(target: Target, scenario: Scenario, missing: Weakness, of: Scenario) -> bool:
    """Have the control missing; False when what the attack needs is not taken without it: no way through either."""
    try:
        target.lack(scenario, missing, of)
    except Rejected:
        return False
    return True


def owners(catalogue: Mapping[str, Scenario]) -> dict[str, tuple[Scenario, Weakness]]:
    """Every control that can be removed alone, once, with the first scenario that it stops."""
    found: dict[str, tuple[Scenario, Weakness]] = {}
    for scenario in catalogue.values():
        for one in removable(scenario):
            found.setdefault(weakness_text(one), (scenario, one))
    return found


def written_crossed() -> dict[str, list[str]]:
    """What each removal opened when somebody last wrote it down."""
    found: dict[str, list[str]] = json.loads(CROSSED.read_text("utf-8"))
    return found


def crossed_differences(found: Mapping[str, list[str]], before: Mapping[str, list[str]]) -> list[str]:
    """What is otherwise than it was written down."""
    return [
        f"without {removed}: {', '.join(through) or 'nothing'} gets through, "
        f"written down is {', '.join(before[removed]) or 'nothing'}"
        for removed, through in found.items()
        if removed in before and before[removed] != through
    ]


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
