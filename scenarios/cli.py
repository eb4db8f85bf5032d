"""`gatehouse lab`: attacks that work, controls that stop them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click

from gateway.cli.console import Failure, Misuse, console, print_json, table
from gateway.cli.hints import command
from gateway.cli.instance import Instance, find
from gateway.cli.options import json_option, state_dir_option
from scenarios.catalogue import catalogue, find_scenario
from scenarios.lab import blast, heat, judge, lock, matrix, show
from scenarios.lab.model import ARCHITECTURES, Open, Scenario
from scenarios.lab.private import private_instance
from scenarios.lab.target import COPIES, Target
from scenarios.lab.watching import Watcher

via_option = click.option("--via", metavar="URL", help="Send the attack through an intercepting proxy on this machine.")


@click.group()
def lab() -> None:
    """Attacks that work, controls that stop them.

    `run` and `selfcheck` use a shop of their own. The others work on the instance that runs.
    """


@lab.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the scenarios.

    \b
    Examples:
      gatehouse lab list
    """
    if as_json:
        print_json([_about(one) for one in catalogue().values()])
        return
    rows = (
        (one.id, one.title, one.control.where, one.architecture, str(one.difficulty), ", ".join(one.references))
        for one in catalogue().values()
    )
    console().print(table(("ID", "TITLE", "CONTROL IN", "ARCHITECTURE", "DIFFICULTY", "REFERENCE"), rows))
    only = [one.id for one in catalogue().values() if one.instead == "gateway"]
    click.echo(f"Only the mesh stops {', '.join(only)}.")


def _about(one: Scenario) -> dict[str, object]:
    return {
        "id": one.id,
        "title": one.title,
        "story": one.story,
        "references": one.references,
        "claims": one.claims,
        "difficulty": one.difficulty,
        "minutes": one.minutes,
        "architecture": one.architecture,
        "instead": one.instead,
        "weaknesses": [show.weakness_text(weakness) for weakness in one.weaknesses],
        "control": asdict(one.control),
        "hints": one.hints,
        "wrong_fixes": [asdict(wrong) for wrong in one.wrong_fixes],
        "questions": [{"question": question, "answer": told} for question, told in one.questions],
    }


@lab.command("show")
@click.argument("scenario")
def show_(scenario: str) -> None:
    """Tell a scenario: story, weakness, control, wrong fixes.

    \b
    Examples:
      gatehouse lab show api1-bola
    """
    show.print_story(find_scenario(scenario))


@lab.command()
@click.argument("scenario")
@click.option("--seed", type=int, help="Make up the same things each time; times and trace ids are left out.")
@json_option
def run(scenario: str, seed: int | None, as_json: bool) -> None:
    """Attack a shop of the lab's own, without the control and with it.

    Exit code 1 when the scenario does not pass: not breached without, not stopped with, or honest people kept out.

    \b
    Examples:
      gatehouse lab run api1-bola
      gatehouse lab run api1-bola --json | jq .with.attack
      gatehouse lab run jwks-flood --seed 7
    """
    chosen = find_scenario(scenario)
    elsewhere = None
    if chosen.instead:
        with private_instance(chosen.instead) as instance:
            elsewhere = judge.run_elsewhere(chosen, Target(instance, seed=seed))
    with private_instance(chosen.architecture) as instance:
        verdict = judge.run_scenario(chosen, Target(instance, seed=seed), elsewhere)
    if as_json:
        print_json(verdict.view())
    else:
        show.print_verdict(verdict, seeded=seed is not None)
    if not verdict.passed:
        raise click.exceptions.Exit(Failure.exit_code)


@lab.command()
@json_option
def selfcheck(as_json: bool) -> None:
    """Run the whole catalogue, as a trainer does before class; then all of it against the mesh, fully defended.

    \b
    Examples:
      gatehouse lab selfcheck
    """
    began = time.monotonic()
    verdicts = _run_all(list(catalogue().values()), meshed=True)
    if as_json:
        print_json({"seconds": round(time.monotonic() - began, 1), "scenarios": [one.view() for one in verdicts]})
    else:
        rows = ((one.scenario.id, _verdict(one), f"{one.seconds:.1f} s") for one in verdicts)
        console().print(table(("SCENARIO", "VERDICT", "TOOK"), rows))
        passed = sum(one.passed for one in verdicts)
        click.echo(f"{passed} of {len(verdicts)} pass, in {time.monotonic() - began:.0f} s.")
        stopped = sum(not (one.meshed or one.defended).outcome.breached for one in verdicts)
        click.echo(f"In the mesh, fully defended, {stopped} of {len(verdicts)} attacks fail.")
    if not all(one.passed for one in verdicts):
        raise click.exceptions.Exit(Failure.exit_code)


def _run_all(wanted: list[Scenario], *, thorough: bool = False, meshed: bool = False) -> list[judge.Verdict]:
    """Run scenarios on shops of the lab's own, one for each architecture, with a progress bar.

    `meshed` attacks the fully defended mesh with those that belong to another architecture, too.
    """
    from rich.progress import Progress

    verdicts: list[judge.Verdict] = []
    elsewhere: dict[str, judge.Run] = {}
    with Progress(console=console(stderr=True)) as progress:
        bar = progress.add_task(
            "scenarios", total=len(wanted) + meshed * sum(one.architecture != "mesh" for one in wanted)
        )
        for architecture in ARCHITECTURES:
            chosen = [one for one in wanted if architecture in (one.instead, one.architecture)]
            again = list(verdicts) if meshed and architecture == "mesh" else []
            if not chosen and not again:
                continue
            with private_instance(architecture) as instance:
                for one in chosen:
                    progress.update(bar, description=one.id)
                    if one.architecture != architecture:
                        elsewhere[one.id] = judge.run_elsewhere(one, Target(instance), thorough=thorough)
                        continue
                    other = elsewhere.get(one.id)
                    verdicts.append(judge.run_scenario(one, Target(instance), other, thorough=thorough))
                    progress.advance(bar)
                for verdict in again:
                    progress.update(bar, description=f"{verdict.scenario.id}, in the mesh")
                    judge.also_in_the_mesh(verdict, Target(instance))
                    progress.advance(bar)
    return verdicts


@lab.command("report")
@click.argument("scenario", required=False)
@click.option("--all", "everything", is_flag=True, help="The whole catalogue.")
@click.option("--blast-radius", "radius", is_flag=True, help="With the picture of `gatehouse lab blast-radius`.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file to write."
)
def report_(scenario: str | None, everything: bool, radius: bool, output: Path) -> None:
    """Run scenarios and write a page to hand out: one HTML file, nothing fetched.

    With the trace, the log lines, the counters and the deciding line of the request that tells most, on both sides.

    \b
    Examples:
      gatehouse lab report api1-bola -o bola.html
      gatehouse lab report --all --blast-radius -o lab.html
    """
    from scenarios.lab import report

    if everything == bool(scenario):
        raise Misuse("Name a scenario, or say --all.")
    wanted = list(catalogue().values()) if everything else [find_scenario(str(scenario))]
    verdicts = _run_all(wanted, thorough=True)
    cells = _measured() if radius else []
    output.write_text(report.html(verdicts, made=time.strftime("%Y-%m-%d"), radius=cells), "utf-8")
    click.echo(f"{output}: {sum(one.passed for one in verdicts)} of {len(verdicts)} pass.")
    if not all(one.passed for one in verdicts):
        raise click.exceptions.Exit(Failure.exit_code)


@lab.command("sheet")
@click.argument("scenario")
def sheet_(scenario: str) -> None:
    """Print a trainer's sheet: setting, script, control, questions with answers; Markdown.

    \b
    Examples:
      gatehouse lab sheet api1-bola
    """
    from scenarios.lab import report

    click.echo(report.sheet(find_scenario(scenario)), nl=False)


def _verdict(one: judge.Verdict) -> str:
    return "breached · stopped · honest people served" if one.passed else "FAIL: " + "; ".join(one.faults)


@lab.command("break")
@click.argument("scenario")
@state_dir_option
def break_(scenario: str, state_dir: Path | None) -> None:
    """Weaken the instance that runs, until `fix` or `reset`.

    \b
    Examples:
      gatehouse lab break api5-bfla
    """
    chosen = find_scenario(scenario)
    if chosen.instead:
        raise Misuse(
            f"{chosen.id} is weak by its architecture: nothing is taken away.",
            f"Run the architecture {chosen.instead}, then: gatehouse lab attack {chosen.id}",
        )
    with at_work(state_dir) as target:
        if others := target.broken():
            raise Misuse(f"Weakened already: {', '.join(others)}.", "One at a time: gatehouse lab reset")
        _check_architecture(chosen, target.instance)
        target.weaken(chosen)
    directory = target.instance.state_dir
    click.secho(
        f"WEAKENED: {chosen.title}. This instance is open to this attack until it is mended.", fg="red", bold=True
    )
    for one in chosen.weaknesses:
        click.echo(f"  {show.weakness_text(one)}")
    click.echo(f"Attack:  {command(directory, 'lab', 'attack', chosen.id)}")
    for copy in filter(Path.exists, map(target.copy_of, COPIES)):
        click.echo(f"Mend:    {copy}, then {command(directory, 'lab', 'check', chosen.id)}")
    click.echo(f"Give up: {command(directory, 'lab', 'fix', chosen.id)}")


@lab.command()
@click.argument("scenario")
@click.option("--step", is_flag=True, help="Wait for Enter before each request.")
@click.option("--events", is_flag=True, help="Print each request as it is answered, one JSON object a line.")
@via_option
@state_dir_option
@json_option
def attack(scenario: str, step: bool, events: bool, via: str | None, state_dir: Path | None, as_json: bool) -> None:
    """Attack the instance that runs, as it is now.

    Exit code 0 when the attack is stopped, 1 when it gets through.

    \b
    Examples:
      gatehouse lab attack api1-bola
      gatehouse lab attack api1-bola --step
      gatehouse lab attack api1-bola --via http://127.0.0.1:8080
    """
    chosen = find_scenario(scenario)
    with at_work(state_dir, via) as target:
        _check_architecture(chosen, target.instance)
        with judge.staged(chosen, target):
            target.client.watcher = watcher = Watcher(step=step, events=events)
            found = judge.attack(chosen, target)
    watcher.done(found)
    if as_json:
        print_json(found.view())
    elif not events:
        rows = ((one.who, one.request, show.answered(one), show.decider(one)) for one in found.attack_evidence)
        console().print(table(("WHO", "REQUEST", "ANSWER", "DECIDED BY"), rows))
        colour, word = ("red", "BREACHED") if found.outcome.breached else ("green", "STOPPED")
        click.secho(f"{word}: {found.outcome.got}", fg=colour, bold=True)
        if found.outcome.breached and target.architecture == chosen.instead:
            up = f"gatehouse up --architecture {chosen.architecture}"
            click.echo(f"This architecture ({target.architecture}) has no control for it: {up}")
    if found.outcome.breached:
        raise click.exceptions.Exit(Failure.exit_code)


@lab.command()
@click.argument("scenario")
@state_dir_option
def fix(scenario: str, state_dir: Path | None) -> None:
    """Put the control back.

    \b
    Examples:
      gatehouse lab fix api1-bola
    """
    chosen = find_scenario(scenario)
    with at_work(state_dir) as target:
        if chosen.id not in target.broken():
            raise Misuse(f"{chosen.id} is not weakened.", "gatehouse lab break weakens it")
        target.restore(chosen)
        if switches := [one for one in chosen.weaknesses if isinstance(one, Open)]:
            target.defend(chosen)
    click.secho(f"DEFENDED: {chosen.control.name}, in the {chosen.control.where}.", fg="green", bold=True)
    for line in chosen.control.lines.splitlines():
        click.echo(f"  + {line}")
    for one in switches:
        click.echo(f"{one.third_party} stays in quarantine until: gatehouse lab reset")


@lab.command()
@click.argument("scenario")
@state_dir_option
def check(scenario: str, state_dir: Path | None) -> None:
    """Judge a fix of your own: is the attack stopped, and are honest people still served?

    \b
    Examples:
      gatehouse lab check api5-bfla
    """
    chosen = find_scenario(scenario)
    with at_work(state_dir) as target:
        if chosen.id in target.broken():
            target.load_copies(chosen.id)
        with judge.staged(chosen, target):
            found = judge.attack(chosen, target)
    if not found.outcome.breached and found.benign:
        click.secho("GOOD: the attack is stopped, and honest people are served.", fg="green", bold=True)
        return
    click.secho("NOT YET", fg="red", bold=True)
    if found.outcome.breached:
        click.echo(f"  The attack gets through: {found.outcome.got}")
        for wrong in chosen.wrong_fixes:
            click.echo(f"  Was it “{wrong.idea}”? {wrong.why}")
    if not found.benign:
        click.echo("  Honest people are kept out.")
    raise click.exceptions.Exit(Failure.exit_code)


@lab.command("blast-radius")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the picture as a page, too."
)
@json_option
def blast_radius(output: Path | None, as_json: bool) -> None:
    """How far each foothold reaches, in each of the four architectures; on shops of the lab's own.

    The attacker's program stands there for real, and counts: services and operations of others that it can use,
    records that it can read, secrets that it finds, databases that it can open. Where a part is lost instead, people
    do what people do, and what still works is counted. It takes some minutes.

    \b
    Examples:
      gatehouse lab blast-radius
      gatehouse lab blast-radius -o radius.html
      gatehouse lab blast-radius --json | jq '.cells[] | select(.foothold == "inside orders")'
    """
    cells = _measured()
    if as_json:
        print_json({"journeys": len(blast.JOURNEYS), "cells": [blast.view(one) for one in cells]})
    else:
        heat.print_radius(cells)
    if output:
        from scenarios.lab import report

        output.write_text(report.html([], made=time.strftime("%Y-%m-%d"), radius=cells), "utf-8")
        click.echo(f"Written: {output}", err=as_json)


@lab.command("matrix")
@click.option("--write", "write_down", is_flag=True, help="Write down what was found, for later runs to compare.")
@json_option
def matrix_(write_down: bool, as_json: bool) -> None:
    """Take each control away alone, from the full configuration (the mesh), and attack.

    Says which attacks get through with only that one missing, and which are stopped by another control all the same:
    defence in depth. Exit code 1 when it is otherwise than it was written down. On a shop of the lab's own.

    \b
    Examples:
      gatehouse lab matrix
      gatehouse lab matrix --json | jq '.entries[] | select(.breached | not)'
    """
    from rich.progress import Progress

    entries: list[matrix.Entry] = []
    with Progress(console=console(stderr=True)) as progress, private_instance("mesh") as instance:
        bar = progress.add_task("matrix", total=len(catalogue()))
        for one in catalogue().values():
            progress.update(bar, description=one.id)
            entries += matrix.alone(one, Target(instance))
            progress.advance(bar)
    if write_down:
        matrix.WRITTEN.write_text(json.dumps(matrix.view(entries), indent=1) + "\n", "utf-8")
    depth, otherwise = matrix.in_depth(entries), matrix.differences(entries, matrix.written())
    if as_json:
        print_json({"entries": matrix.view(entries), "in_depth": depth, "differences": otherwise})
    else:
        show.print_matrix(entries, depth)
        for line in otherwise:
            click.secho(f"OTHERWISE: {line}", fg="red")
        if unknown := matrix.new(entries, matrix.written()):
            click.echo(f"Not written down yet: {len(unknown)}; gatehouse lab matrix --write")
    if otherwise:
        raise click.exceptions.Exit(Failure.exit_code)


def _measured() -> list[blast.Cell]:
    """Every foothold in every architecture, with a progress bar."""
    from rich.progress import Progress

    cells: list[blast.Cell] = []
    with Progress(console=console(stderr=True)) as progress:
        bar = progress.add_task("blast radius", total=len(ARCHITECTURES) * len(blast.FOOTHOLDS))
        for architecture in ARCHITECTURES:
            with private_instance(architecture) as instance:
                for cell in blast.radius(Target(instance)):
                    cells.append(cell)
                    progress.update(bar, advance=1, description=f"{architecture}: {cell.foothold}")
    return cells


@lab.command()
@click.argument("scenario")
@click.option("--all", "everything", is_flag=True, help="Every hint at once.")
def hint(scenario: str, everything: bool) -> None:
    """A nudge; `--all` for every one.

    \b
    Examples:
      gatehouse lab hint api1-bola
    """
    chosen = find_scenario(scenario)
    for number, text in enumerate(chosen.hints if everything else chosen.hints[:1], start=1):
        click.echo(f"{number}. {text}")


@lab.command()
@click.option("--data", is_flag=True, help="Let the services begin again with the data that they are seeded with.")
@state_dir_option
def reset(data: bool, state_dir: Path | None) -> None:
    """Take back whatever the lab has weakened.

    \b
    Examples:
      gatehouse lab reset
      gatehouse lab reset --data
    """
    began = time.monotonic()
    with at_work(state_dir) as target:
        taken_back = target.restore_all(catalogue())
        if data:
            target.forget_data([name for name in target.instance.ports if name in SERVICES])
    what = ", ".join(taken_back) or "nothing was weakened"
    click.secho(f"DEFENDED ({what}), in {time.monotonic() - began:.1f} s.", fg="green", bold=True)


SERVICES = ("orders", "profiles", "storefront", "alerts", "redis")
"""What `reset --data` forgets; identity keeps its keys, or every token in use would be refused for a while."""


@contextmanager
def at_work(state_dir: Path | None, via: str | None = None) -> Iterator[Target]:
    """The instance that runs, for this lab alone.

    Raises:
        Failure: another lab is at work there.
    """
    instance = find(state_dir)
    fd = lock.take(instance.state_dir)
    try:
        yield Target(instance, via=via)
    finally:
        os.close(fd)


def _check_architecture(scenario: Scenario, instance: Instance) -> None:
    running = Target(instance).architecture
    if running in (scenario.instead, "mesh") or (running == "gateway" and scenario.architecture == "gateway"):
        return
    wanted = dict.fromkeys(filter(None, (scenario.instead, scenario.architecture, "mesh")))
    starts = f"gatehouse up --architecture {scenario.architecture}"
    raise Misuse(f"{scenario.id} is told in the architecture {' or '.join(wanted)}; this is {running}.", starts)
