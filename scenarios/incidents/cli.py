"""`gatehouse incident`: faults under load, to be found from dashboards and traces."""

from __future__ import annotations

import random
import time
from dataclasses import asdict
from pathlib import Path

import click

from gateway.cli.console import Failure, Misuse, console, print_json, table
from gateway.cli.hints import command
from gateway.cli.instance import Instance, find
from gateway.cli.options import json_option, state_dir_option
from scenarios.incidents import operations, selfcheck
from scenarios.incidents import timeline as told
from scenarios.incidents.case import Answers, Case, load
from scenarios.incidents.catalogue import catalogue, find_incident
from scenarios.incidents.model import CAUSES, Incident, Judgement
from scenarios.incidents.units import clock
from scenarios.lab import lock


@click.group()
def incident() -> None:
    """Faults under load: find which part it is, and why.

    `start` plants a real fault into the shop that runs, under generated load; `answer` names service and cause;
    `end` puts everything back and shows when it began, when it was visible, and when it was found.
    """


@incident.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the incidents, and what can be answered.

    \b
    Examples:
      gatehouse incident list
    """
    if as_json:
        print_json({"incidents": [_about(one) for one in catalogue().values()], "causes": dict(CAUSES)})
        return
    rows = (
        (one.id, one.kind, str(one.difficulty), f"{one.minutes} min", "a mesh" if one.architecture == "mesh" else "")
        for one in catalogue().values()
    )
    out = console()
    out.print(table(("INCIDENT", "WHAT KIND", "DIFFICULTY", "TAKES", "NEEDS"), rows))
    out.print()
    out.print(table(("CAUSE", "MEANS"), CAUSES.items()))


def _about(one: Incident) -> dict[str, object]:
    return {
        "id": one.id,
        "kind": one.kind,
        "difficulty": one.difficulty,
        "minutes": one.minutes,
        "architecture": one.architecture,
    }


@incident.command()
@click.argument("name", required=False)
@click.option("--surprise", is_flag=True, help="Do not tell which; without NAME one is drawn.")
@click.option("--seed", type=int, help="Draw the same one again.")
@click.option("--minutes", type=click.IntRange(1, 120), default=30, show_default=True, help="When it ends by itself.")
@state_dir_option
@json_option
def start(
    name: str | None, surprise: bool, seed: int | None, minutes: int, state_dir: Path | None, as_json: bool
) -> None:
    """Plant a fault into the shop that runs, under generated load.

    Returns when the fault is in. Ctrl-C until then puts everything back, and so does `gatehouse incident end`.

    \b
    Examples:
      gatehouse incident start --surprise
      gatehouse incident start slow-database
    """
    if not (name or surprise):
        raise Misuse("Name an incident, or say --surprise.", "gatehouse incident list")
    instance = find(state_dir)
    dice = random.Random(seed)  # noqa: S311  (a lesson, not a secret)
    chosen = find_incident(name) if name else dice.choice(operations.possible(instance))
    if not as_json:
        click.echo("Visitors come; in a few seconds something happens …")
    case = operations.start(instance, chosen, surprise=surprise, seconds=minutes * 60.0)
    if as_json:
        print_json(told.status(case, Answers(instance.state_dir), running=True))
        return
    click.secho("INCIDENT. Somebody reports:", fg="red", bold=True)
    click.echo(f"  “{chosen.ticket}”")
    click.echo(told.COMPRESSED)
    _next_steps(instance)


def _next_steps(instance: Instance) -> None:
    directory = instance.state_dir
    click.echo(f"Look:    {instance.admin_url} (a link that opens it: {command(directory, 'ps')})")
    if port := instance.ports.get("prometheus"):
        click.echo(f"         Prometheus, with alerts: http://127.0.0.1:{port}/alerts")
    click.echo(f"Answer:  {command(directory, 'incident', 'answer')} SERVICE CAUSE")
    click.echo(f"Give up: {command(directory, 'incident', 'end')}")


@incident.command()
@state_dir_option
@json_option
def status(state_dir: Path | None, as_json: bool) -> None:
    """Say what is known of the incident that runs, without giving it away.

    \b
    Examples:
      gatehouse incident status
    """
    instance = find(state_dir)
    view = told.status(load(instance.state_dir), Answers.of(instance.state_dir), lock.is_taken(instance.state_dir))
    if as_json:
        print_json(view | {"causes": dict(CAUSES), "services": list(operations.parts(instance))})
        return
    if view["state"] == "none":
        click.echo("No incident runs.")
        return
    click.echo(f"“{view['ticket']}”")
    rows = [
        ("incident", view["incident"] or "a surprise"),
        ("runs for", clock(view["running_s"])),
        ("visible in metrics", _after(view["visible_after_s"])),
        ("alert", _after(view["alert_after_s"]) if view["alerts"] == "evaluated" else view["alerts"]),
        ("answers", f"{len(view['answers'])}, {'found' if view['found'] else 'not found yet'}"),
        ("ends by itself in", clock(view["ends_in_s"])),
    ]
    for name, said in rows:
        click.echo(f"  {name:<20}{said}")
    click.echo(told.COMPRESSED)


def _after(seconds: float | None) -> str:
    return "not yet" if seconds is None else f"after {clock(seconds)}"


@incident.command()
@click.argument("service")
@click.argument("cause")
@state_dir_option
@json_option
def answer(service: str, cause: str, state_dir: Path | None, as_json: bool) -> None:
    """Name the service and the cause; a wrong answer is told why, and where to look.

    SERVICE is the part where one would mend it (gatehouse ps; also: gateway, partner). Exit code 1 when it is wrong.

    \b
    Examples:
      gatehouse incident answer orders slow-database
    """
    instance = find(state_dir)
    judged = operations.answer(instance, service, cause)
    if as_json:
        print_json(asdict(judged))
    else:
        _print_judgement(judged, instance)
    if not judged.right:
        raise click.exceptions.Exit(Failure.exit_code)


def _print_judgement(judged: Judgement, instance: Instance) -> None:
    if judged.right:
        click.secho("FOUND", fg="green", bold=True)
        click.echo(f"  {judged.why}")
        click.echo(f"Restore, and see the timeline: {command(instance.state_dir, 'incident', 'end')}")
    else:
        click.secho("NOT YET", fg="red", bold=True)
        click.echo(f"  {judged.why}")
        click.echo(f"  Look: {judged.hint}")


@incident.command()
@state_dir_option
@json_option
def end(state_dir: Path | None, as_json: bool) -> None:
    """End it: everything is put back, and the timeline is told.

    Also after something was killed: whatever an incident has left is undone.

    \b
    Examples:
      gatehouse incident end
    """
    instance = find(state_dir)
    before = load(instance.state_dir)
    was_over = before is None or before.ended is not None
    case = operations.end(instance)
    if case is None or case.began is None:
        if as_json:
            print_json({"state": "none", "last": None})
        else:
            click.secho("RESTORED. No incident had begun.", fg="green", bold=True)
        return
    if as_json:
        print_json(told.report(case, Answers.of(instance.state_dir)))
        return
    if was_over:
        click.echo("No incident runs. The last one:")
    print_timeline(case, Answers.of(instance.state_dir))
    click.secho("RESTORED", fg="green", bold=True)


def print_timeline(case: Case, answers: Answers) -> None:
    """When what happened."""
    one = catalogue()[case.id]
    click.secho(f"{one.id} · {one.services[0]}", bold=True)
    rows = [
        ("–" if (after := told.since(case, event.at)) is None else clock(after), event.what, event.told)
        for event in told.timeline(case, answers)
    ]
    console().print(table(("AFTER", "", ""), rows, right=("AFTER",)))
    click.echo(f"Shown by: {one.signal.promql}")
    click.echo(f"In earnest: {one.mend}")
    click.echo(told.COMPRESSED)


@incident.command("selfcheck")
@click.option("--only", metavar="NAMES", help="Only these, separated by commas.")
@json_option
def selfcheck_(only: str | None, as_json: bool) -> None:
    """Run every incident on shops of its own, as a trainer does before class.

    \b
    Examples:
      gatehouse incident selfcheck
    """
    from rich.progress import Progress

    began, outcomes = time.monotonic(), []
    wanted = [find_incident(one) for one in only.split(",")] if only else list(catalogue().values())
    with Progress(console=console(stderr=True)) as progress:
        bar = progress.add_task("incidents", total=len(wanted))
        for one in selfcheck.run_all(wanted, lambda name: progress.update(bar, description=name)):
            outcomes.append(one)
            progress.advance(bar)
    if as_json:
        print_json({"seconds": round(time.monotonic() - began, 1), "incidents": [one.view() for one in outcomes]})
    else:
        _print_outcomes(outcomes, time.monotonic() - began)
    if not all(one.passed for one in outcomes):
        raise click.exceptions.Exit(Failure.exit_code)


def _print_outcomes(outcomes: list[selfcheck.Outcome], seconds: float) -> None:
    numbers = ("VISIBLE AFTER", "AT MOST", "TOOK")
    console().print(table(("INCIDENT", *numbers, "VERDICT"), map(_row, outcomes), right=numbers))
    click.echo(f"{sum(one.passed for one in outcomes)} of {len(outcomes)} pass, in {seconds:.0f} s.")


def _row(one: selfcheck.Outcome) -> tuple[str, ...]:
    case = one.case
    visible = told.since(case, case.visible) if case else None
    peak = one.incident.signal.shown(case.peak) if case and case.peak is not None else "–"
    verdict = "began · visible · answered · restored" if one.passed else "FAIL: " + "; ".join(one.faults)
    return one.incident.id, "–" if visible is None else f"{visible:.1f} s", peak, f"{one.seconds:.1f} s", verdict
