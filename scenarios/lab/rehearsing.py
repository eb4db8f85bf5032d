"""`gatehouse lab run|selfcheck|report|blast-radius|matrix`: on shops of the lab's own; a user's shop is untouched."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from gateway.cli.console import Failure, Misuse, console, print_json, table
from gateway.cli.options import json_option
from scenarios.catalogue import catalogue, find_scenario
from scenarios.lab import blast, heat, judge, matrix, show
from scenarios.lab.model import ARCHITECTURES, Scenario
from scenarios.lab.options import seed_option
from scenarios.lab.private import private_instance
from scenarios.lab.target import Target


@click.command()
@click.argument("scenario")
@seed_option
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


@click.command()
@seed_option
@json_option
def selfcheck(seed: int | None, as_json: bool) -> None:
    """Run the whole catalogue, as a trainer does before class; then all of it against the mesh, fully defended.

    \b
    Examples:
      gatehouse lab selfcheck
    """
    began = time.monotonic()
    verdicts = _run_all(list(catalogue().values()), meshed=True, seed=seed)
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


def _verdict(one: judge.Verdict) -> str:
    return "breached · stopped · honest people served" if one.passed else "FAIL: " + "; ".join(one.faults)


@click.command("report")
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


@click.command("blast-radius")
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


@click.command("matrix")
@click.option("--all", "everything", is_flag=True, help="Every attack against every removal; it takes half an hour.")
@click.option("--write", "write_down", is_flag=True, help="Write down what was found, for later runs to compare.")
@json_option
def matrix_(everything: bool, write_down: bool, as_json: bool) -> None:
    """Take each control away alone, from the full configuration (the mesh), and attack.

    Says which attacks get through with only that one missing, and which are stopped by another control all the same:
    defence in depth. Each control is missed by the attacks that it is there for; with --all, by the whole catalogue.
    Exit code 1 when it is otherwise than it was written down. On a shop of the lab's own.

    \b
    Examples:
      gatehouse lab matrix
      gatehouse lab matrix --all
      gatehouse lab matrix --json | jq '.entries[] | select(.breached | not)'
    """
    from rich.progress import Progress

    if everything:
        _matrix_of_all(write_down, as_json)
        return
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


def _matrix_of_all(write_down: bool, as_json: bool) -> None:
    """Every attack against every removal."""
    from rich.progress import Progress

    found: dict[str, list[str]] = {}
    removals = matrix.owners(catalogue())
    with Progress(console=console(stderr=True)) as progress, private_instance("mesh") as instance:
        bar = progress.add_task("matrix", total=len(removals))
        for text, (scenario, missing) in removals.items():
            progress.update(bar, description=scenario.id)
            found[text] = matrix.crossed(catalogue(), missing, scenario, Target(instance))
            progress.advance(bar)
    if write_down:
        matrix.CROSSED.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    otherwise = matrix.crossed_differences(found, matrix.written_crossed())
    if as_json:
        print_json({"removals": found, "differences": otherwise})
    else:
        show.print_crossed(found)
        for line in otherwise:
            click.secho(f"OTHERWISE: {line}", fg="red")
    if otherwise:
        raise click.exceptions.Exit(Failure.exit_code)


def _run_all(
    wanted: list[Scenario], *, thorough: bool = False, meshed: bool = False, seed: int | None = None
) -> list[judge.Verdict]:
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
                        elsewhere[one.id] = judge.run_elsewhere(one, Target(instance, seed=seed), thorough=thorough)
                        continue
                    other = elsewhere.get(one.id)
                    verdicts.append(judge.run_scenario(one, Target(instance, seed=seed), other, thorough=thorough))
                    progress.advance(bar)
                for verdict in again:
                    progress.update(bar, description=f"{verdict.scenario.id}, in the mesh")
                    judge.also_in_the_mesh(verdict, Target(instance, seed=seed))
                    progress.advance(bar)
    return verdicts


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
