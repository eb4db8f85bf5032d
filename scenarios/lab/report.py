"""Pages to hand out: what was attacked, with which evidence, and what stopped it. And a sheet for the trainer.

One file, nothing fetched: it can be mailed, printed and opened offline. Everything that came from outside is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from scenarios.lab import heat, show
from scenarios.lab.blast import Cell
from scenarios.lab.judge import Run, Verdict
from scenarios.lab.model import Scenario

MAX_ROWS = 40
"""Requests of one run that a page shows; an attack may have thousands."""


def html(verdicts: Iterable[Verdict], *, made: str, radius: Sequence[Cell] = ()) -> str:
    """A page about these runs, and how far footholds reach; `made` is the day to print on it."""
    environment = Environment(
        loader=PackageLoader("scenarios.lab", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found = list(verdicts)
    told = [_told(one) for one in found]
    picture = heat.svg(radius) if radius else ""
    passed = sum(one.passed for one in found)
    return environment.get_template("report.html").render(told=told, made=made, passed=passed, radius=picture)


def _told(verdict: Verdict) -> dict[str, Any]:
    scenario = verdict.scenario
    return {
        "scenario": scenario,
        "verdict": verdict,
        "weak": [show.weakness_text(one) for one in scenario.weaknesses],
        "stage": [show.weakness_text(one) for one in scenario.stage],
        "sides": list(show.rows(verdict)),
        "runs": [
            ("Without", "bad", verdict.without, _evidence(verdict.without)),
            ("With", "good", verdict.defended, _evidence(verdict.defended)),
        ],
    }


def _evidence(run: Run) -> dict[str, Any]:
    seen = [("attack", one) for one in run.attack_evidence] + [("honest", one) for one in run.benign_evidence]
    rows = [
        {
            "kind": kind,
            "who": one.who,
            "request": one.request,
            "answer": show.answered(one),
            "decider": show.decider(one),
            "trace": one.trace_id[:16],
            "excerpt": one.excerpt,
        }
        for kind, one in seen
    ]
    return {"rows": rows[:MAX_ROWS], "more": max(0, len(rows) - MAX_ROWS)}


def sheet(scenario: Scenario) -> str:
    """What a trainer has in hand: setting, script, questions with their answers; Markdown."""
    lines = [
        f"# {scenario.id}: {scenario.title}",
        "",
        f"{scenario.minutes} minutes · difficulty {scenario.difficulty} of 6 · {', '.join(scenario.references)} · "
        f"claims {', '.join(scenario.claims)}",
        "",
        "## Setting",
        "",
        scenario.story,
        "",
        *(f"- Staged, both times: {show.weakness_text(one)}" for one in scenario.stage),
        *(f"- Without the control: {show.weakness_text(one)}" for one in scenario.weaknesses),
        "",
        "## Script: five minutes",
        "",
        *_script(scenario),
        "",
        f"## The control: {scenario.control.name} ({scenario.control.where})",
        "",
        *_code(scenario.control.lines),
        *(["Elsewhere:", "", *_code(scenario.control.elsewhere)] if scenario.control.elsewhere else []),
        "## Plausible, and wrong",
        "",
        *(f"- **{wrong.idea}.** {wrong.why}" for wrong in scenario.wrong_fixes),
        "",
        *(["## Questions", ""] if scenario.questions else []),
        *(f"- {question} *{answer}*" for question, answer in scenario.questions),
        "",
        "Teaching, not production.",
    ]
    return "\n".join(lines) + "\n"


def _script(scenario: Scenario) -> list[str]:
    """Minute by minute."""
    mesh = " --mesh" if scenario.architecture == "mesh" else ""
    if scenario.instead:
        up = f"gatehouse up --detach --architecture {scenario.instead}"
        breaking = f"`gatehouse lab attack {scenario.id}`: there is no control for it here"
        fixing = f"`gatehouse down`, `gatehouse up --detach{mesh}`, and attack again: who refuses now?"
    else:
        up = f"gatehouse up --detach{mesh}"
        breaking = f"`gatehouse lab break {scenario.id}`, then `gatehouse lab attack {scenario.id}`"
        own = f"their own: `gatehouse lab check {scenario.id}`"
        fixing = f"`gatehouse lab fix {scenario.id}` (or {own}), and attack again: which line decided?"
    wrong = scenario.wrong_fixes[0].idea
    return [
        f"- **Before class**: `gatehouse lab run {scenario.id}` passes; `{up}`.",
        "- **0:00 The story**, as it stands above. What would they try?",
        f"- **1:00 The attack.** {breaking}. What did they get? Who could have noticed?",
        "- **2:00 Where to repair it?** Let them say: gateway, mesh or service. Hints, one by one:",
        *(f"    - {text}" for text in scenario.hints),
        f"- **3:00 The wrong fix.** Somebody says: {wrong}. Let the others say why not.",
        f"- **4:00 The control.** {fixing}",
        "- **Afterwards**: `gatehouse lab reset`",
    ]


def _code(text: str) -> list[str]:
    return [*(f"    {line}" for line in text.splitlines()), ""]
