"""How the lab tells what happened: the two sides beside each other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import click

from gateway.cli.console import console, table
from gateway.cli.text import visible
from scenarios.lab.client import Exchange
from scenarios.lab.judge import Run, Verdict
from scenarios.lab.model import Bypass, Instead, Open, Option, Plant, Remove, Scenario, Weakness

if TYPE_CHECKING:
    from scenarios.lab.matrix import Entry


def print_verdict(verdict: Verdict, *, seeded: bool = False) -> None:
    """Both sides, who decided, the fix, and the verdict; `seeded` without what the clock and the dice decide."""
    scenario = verdict.scenario
    click.secho(f"{scenario.id} · {scenario.title} · {', '.join(scenario.references)}\n", bold=True)
    told = rows(verdict)
    console().print(table(("", "WITHOUT", "WITH"), map(steady, told) if seeded else told))
    click.echo(f"\nThe control lives in the {scenario.control.where}: {scenario.control.name}")
    for line in scenario.control.lines.splitlines():
        click.secho(f"  + {visible(line)}", fg="green")
    wrong = scenario.wrong_fixes[0]
    click.echo(f"Wrong fix: {wrong.idea}. {wrong.why}\n")
    if verdict.passed:
        click.secho("PASS  breached · stopped · honest people served", fg="green", bold=True)
        verb = "attack" if scenario.instead else "break"
        click.echo(f"Next: gatehouse lab {verb} {scenario.id}")
    else:
        click.secho("FAIL", fg="red", bold=True)
        for fault in verdict.faults:
            click.echo(f"  {visible(fault)}")


CLOCK = re.compile(r"\b\d+(\.\d+)? (ms|s|bytes)\b")


def steady(row: tuple[str, str, str]) -> tuple[str, str, str]:
    """A row without times, lengths and trace ids: they are others each time, whatever the seed."""
    name, *sides = row
    first, second = ("…", "…") if name == "trace" else (CLOCK.sub(r"… \2", side) for side in sides)
    return name, first, second


def rows(verdict: Verdict) -> Iterator[tuple[str, str, str]]:
    """Both sides beside each other: what it is, without the control, with it."""
    without, defended = verdict.without, verdict.defended
    yield "attacker got", without.outcome.got, defended.outcome.got
    for name in without.outcome.measures:
        yield name, without.outcome.measures[name], defended.outcome.measures.get(name, "–")
    first, second = telling(without, defended)
    if first and second:
        yield f"attack {first.request}", answered(first), answered(second)
        yield "decided by", decider(first), decider(second)
        yield "trace", first.trace_id[:16] or "–", second.trace_id[:16] or "–"
    yield "honest people", _served(without), _served(defended)
    yield "requests sent", str(without.requests), str(defended.requests)


def telling(without: Run, defended: Run) -> tuple[Exchange | None, Exchange | None]:
    """The request that tells most: the first that was answered otherwise; else in each run one that was refused."""
    named = _named(without), _named(defended)
    if all(named):
        return named
    pairs = zip(without.attack_evidence, defended.attack_evidence, strict=False)
    same = [(one, other) for one, other in pairs if one.request == other.request]
    for one, other in same:
        if (one.status, one.reason) != (other.status, other.reason):
            return one, other
    for one, other in same:
        if one.excerpt.replace(one.trace_id, "") != other.excerpt.replace(other.trace_id, ""):
            return one, other
    return _last(without), _last(defended)


def _named(run: Run) -> Exchange | None:
    return next((one for one in run.attack_evidence if one.request == run.outcome.shows), None)


def _last(run: Run) -> Exchange | None:
    refused = [one for one in run.attack_evidence if one.reason]
    known = refused or run.attack_evidence
    return known[-1] if known else None


def answered(one: Exchange) -> str:
    """Status and reason."""
    return f"{one.status} {visible(one.reason)}".strip()


def decider(one: Exchange) -> str:
    """The line that decided, or who else."""
    if one.by:
        return one.by
    if one.policy:
        return f"gateway, {visible(one.policy)}"
    if one.local:
        return "the gateway"
    return "the service" if one.reason else "nobody"


def _served(run: Run) -> str:
    return "served" if run.benign else "NOT served"


def weakness_text(one: Weakness) -> str:
    """What is taken away."""
    if isinstance(one, Remove):
        return f"gateway: {one.filter} is taken off route {one.route or '(every route)'}"
    if isinstance(one, Plant):
        return f"service {one.service}: planted: {one.name}"
    if isinstance(one, Option):
        return f"service {one.service}: {one.says}"
    if isinstance(one, Bypass):
        return f"the lab: {one.says}"
    if isinstance(one, Open):
        return f"{one.third_party} is called and heard as ever: it is not in quarantine"
    if isinstance(one, Instead):
        return f"architecture {one.architecture}, without what comes after it"
    return f"{one.file}: {one.says}"


def print_matrix(entries: Sequence[Entry], in_depth: Sequence[str]) -> None:
    """One row for each control that is missing alone."""
    rows = ((one.scenario, one.removed, "breached" if one.breached else "stopped all the same") for one in entries)
    console().print(table(("ATTACK", "MISSING ALONE", "THEN"), rows))
    click.echo(f"Defence in depth, no single removal opens it: {', '.join(in_depth) or 'none'}.")


def print_crossed(found: Mapping[str, Sequence[str]]) -> None:
    """One row for each control that is missing alone, with all that gets through then."""
    rows = ((removed, ", ".join(through) or "nothing") for removed, through in found.items())
    console().print(table(("MISSING ALONE", "GETS THROUGH"), rows))


def print_story(scenario: Scenario) -> None:
    """A scenario as one reads it before running it."""
    click.secho(f"{scenario.id} · {scenario.title}", bold=True)
    facts = (
        *scenario.references,
        f"claims {', '.join(scenario.claims)}",
        f"difficulty {scenario.difficulty} of 6",
        f"{scenario.minutes} minutes",
        f"architecture {scenario.architecture}",
    )
    click.echo(" · ".join(facts) + "\n")
    click.echo(f"{scenario.story}\n")
    for staged in scenario.stage:
        click.echo(f"There for the lesson, both times: {weakness_text(staged)}")
    click.echo("Without the control:")
    for one in scenario.weaknesses:
        click.echo(f"  {weakness_text(one)}")
    click.echo(f"The control, in the {scenario.control.where}: {scenario.control.name}")
    for line in scenario.control.lines.splitlines():
        click.echo(f"  + {line}")
    if scenario.control.elsewhere:
        click.echo("Elsewhere:")
        for line in scenario.control.elsewhere.splitlines():
            click.echo(f"  {line}")
    click.echo("Plausible, and wrong:")
    for wrong in scenario.wrong_fixes:
        click.echo(f"  {wrong.idea}: {wrong.why}")
