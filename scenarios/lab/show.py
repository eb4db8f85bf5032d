"""How the lab tells what happened: the two sides beside each other."""

from __future__ import annotations

from collections.abc import Iterator

import click

from gateway.cli.console import console, table
from gateway.cli.text import visible
from scenarios.lab.client import Exchange
from scenarios.lab.judge import Run, Verdict
from scenarios.lab.model import Plant, Remove, Scenario, Weakness


def print_verdict(verdict: Verdict) -> None:
    """Both sides, who decided, the fix, and the verdict."""
    scenario = verdict.scenario
    click.secho(f"{scenario.id} · {scenario.title} · {', '.join(scenario.references)}\n", bold=True)
    console().print(table(("", "WITHOUT", "WITH"), _rows(verdict)))
    click.echo(f"\nThe control lives in the {scenario.control.where}: {scenario.control.name}")
    for line in scenario.control.lines.splitlines():
        click.secho(f"  + {visible(line)}", fg="green")
    wrong = scenario.wrong_fixes[0]
    click.echo(f"Wrong fix: {wrong.idea}. {wrong.why}\n")
    if verdict.passed:
        click.secho("PASS  breached · stopped · honest people served", fg="green", bold=True)
        click.echo(f"Next: gatehouse lab break {scenario.id}")
    else:
        click.secho("FAIL", fg="red", bold=True)
        for fault in verdict.faults:
            click.echo(f"  {visible(fault)}")


def _rows(verdict: Verdict) -> Iterator[tuple[str, str, str]]:
    without, defended = verdict.without, verdict.defended
    yield "attacker got", without.outcome.got, defended.outcome.got
    for name in without.outcome.measures:
        yield name, without.outcome.measures[name], defended.outcome.measures.get(name, "–")
    first, second = telling(without), telling(defended)
    if first and second:
        yield f"attack {first.request}", answered(first), answered(second)
        yield "decided by", decider(first), decider(second)
        yield "trace", first.trace_id[:16] or "–", second.trace_id[:16] or "–"
    yield "honest people", _served(without), _served(defended)
    yield "requests sent", str(without.requests), str(defended.requests)


def telling(run: Run) -> Exchange | None:
    """The request that tells most: one that was refused, else the last."""
    refused = [one for one in run.attack_evidence if one.reason]
    known = refused or run.attack_evidence
    return known[-1] if known else None


def answered(one: Exchange) -> str:
    """Status and reason."""
    return f"{one.status} {visible(one.reason)}".strip()


def decider(one: Exchange) -> str:
    """The line that decided, or who else."""
    if one.policy:
        return f"gateway, {visible(one.policy)}"
    return "the service" if one.reason else "nobody"


def _served(run: Run) -> str:
    return "served" if run.benign else "NOT served"


def weakness_text(one: Weakness) -> str:
    """What is taken away."""
    if isinstance(one, Remove):
        return f"gateway: {one.filter} is taken off route {one.route or '(every route)'}"
    if isinstance(one, Plant):
        return f"service {one.service}: left out: {one.name}"
    return f"gateway: {one.says}"


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
