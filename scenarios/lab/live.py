"""`gatehouse lab break|attack|fix|check|reset`: on the instance that runs."""

from __future__ import annotations

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
from scenarios.lab import judge, lock, show
from scenarios.lab.model import Open, Scenario
from scenarios.lab.options import seed_option
from scenarios.lab.target import Target
from scenarios.lab.watching import Watcher

via_option = click.option("--via", metavar="URL", help="Send the attack through an intercepting proxy on this machine.")


@click.command("break")
@click.argument("scenario")
@state_dir_option
@json_option
def break_(scenario: str, state_dir: Path | None, as_json: bool) -> None:
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
    if as_json:
        print_json({"weakened": chosen.id, "copies": [str(copy) for copy in target.copies.there()]})
        return
    click.secho(
        f"WEAKENED: {chosen.title}. This instance is open to this attack until it is mended.", fg="red", bold=True
    )
    for one in chosen.weaknesses:
        click.echo(f"  {show.weakness_text(one)}")
    click.echo(f"Attack:  {command(directory, 'lab', 'attack', chosen.id)}")
    for copy in target.copies.there():
        click.echo(f"Mend:    {copy}, then {command(directory, 'lab', 'check', chosen.id)}")
    click.echo(f"Give up: {command(directory, 'lab', 'fix', chosen.id)}")


@click.command()
@click.argument("scenario")
@click.option("--step", is_flag=True, help="Wait for Enter before each request.")
@click.option("--events", is_flag=True, help="Print each request as it is answered, one JSON object a line.")
@via_option
@seed_option
@state_dir_option
@json_option
def attack(
    scenario: str, step: bool, events: bool, via: str | None, seed: int | None, state_dir: Path | None, as_json: bool
) -> None:
    """Attack the instance that runs, as it is now.

    Exit code 0 when the attack is stopped, 1 when it gets through.

    \b
    Examples:
      gatehouse lab attack api1-bola
      gatehouse lab attack api1-bola --step
      gatehouse lab attack api1-bola --via http://127.0.0.1:8080
    """
    chosen = find_scenario(scenario)
    with at_work(state_dir, via, seed) as target:
        _check_architecture(chosen, target.instance)
        with judge.staged(chosen, target):
            target.client.watcher = watcher = Watcher(step=step, events=events)
            watcher.begin(weakened=target.is_weak(chosen.id) or target.architecture == chosen.instead)
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


@click.command()
@click.argument("scenario")
@state_dir_option
@json_option
def fix(scenario: str, state_dir: Path | None, as_json: bool) -> None:
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
    if as_json:
        print_json({"defended": chosen.id, "control": asdict(chosen.control)})
        return
    click.secho(f"DEFENDED: {chosen.control.name}, in the {chosen.control.where}.", fg="green", bold=True)
    for line in chosen.control.lines.splitlines():
        click.echo(f"  + {line}")
    for one in switches:
        click.echo(f"{one.third_party} stays in quarantine until: gatehouse lab reset")


@click.command()
@click.argument("scenario")
@state_dir_option
@json_option
def check(scenario: str, state_dir: Path | None, as_json: bool) -> None:
    """Judge a fix of your own: is the attack stopped, and are honest people still served?

    \b
    Examples:
      gatehouse lab check api5-bfla
    """
    chosen = find_scenario(scenario)
    with at_work(state_dir) as target:
        if chosen.id in target.broken():
            target.copies.load_all(chosen.id)
        with judge.staged(chosen, target):
            found = judge.attack(chosen, target)
    good = not found.outcome.breached and found.benign
    if as_json:
        print_json({"good": good, **found.view()})
    elif good:
        click.secho("GOOD: the attack is stopped, and honest people are served.", fg="green", bold=True)
    else:
        _tell_what_is_wrong(chosen, found)
    if not good:
        raise click.exceptions.Exit(Failure.exit_code)


def _tell_what_is_wrong(chosen: Scenario, found: judge.Run) -> None:
    click.secho("NOT YET", fg="red", bold=True)
    if found.outcome.breached:
        click.echo(f"  The attack gets through: {found.outcome.got}")
        for wrong in chosen.wrong_fixes:
            click.echo(f"  Was it “{wrong.idea}”? {wrong.why}")
    if not found.benign:
        click.echo("  Honest people are kept out.")


@click.command()
@click.option("--data", is_flag=True, help="Let the services begin again with the data that they are seeded with.")
@state_dir_option
@json_option
def reset(data: bool, state_dir: Path | None, as_json: bool) -> None:
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
    if as_json:
        print_json({"taken_back": taken_back, "data": data, "seconds": round(time.monotonic() - began, 2)})
        return
    what = ", ".join(taken_back) or "nothing was weakened"
    click.secho(f"DEFENDED ({what}), in {time.monotonic() - began:.1f} s.", fg="green", bold=True)


SERVICES = ("orders", "profiles", "storefront", "alerts", "redis")
"""What `reset --data` forgets; identity keeps its keys, or every token in use would be refused for a while."""


@contextmanager
def at_work(state_dir: Path | None, via: str | None = None, seed: int | None = None) -> Iterator[Target]:
    """The instance that runs, for this lab alone.

    Raises:
        Failure: another lab is at work there.
    """
    instance = find(state_dir)
    fd = lock.take(instance.state_dir)
    try:
        yield Target(instance, via=via, seed=seed)
    finally:
        os.close(fd)


def _check_architecture(scenario: Scenario, instance: Instance) -> None:
    running = Target(instance).architecture
    if running in (scenario.instead, "mesh") or (running == "gateway" and scenario.architecture == "gateway"):
        return
    wanted = dict.fromkeys(filter(None, (scenario.instead, scenario.architecture, "mesh")))
    starts = f"gatehouse up --architecture {scenario.architecture}"
    raise Misuse(f"{scenario.id} is told in the architecture {' or '.join(wanted)}; this is {running}.", starts)
