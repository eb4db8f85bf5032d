"""`gatehouse lab`: attacks that work, controls that stop them."""

from __future__ import annotations

from dataclasses import asdict

import click

from gateway.cli.console import console, print_json, table
from gateway.cli.options import json_option
from scenarios.catalogue import catalogue, find_scenario
from scenarios.lab import live, rehearsing, show
from scenarios.lab.model import Scenario


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
@json_option
def show_(scenario: str, as_json: bool) -> None:
    """Tell a scenario: story, weakness, control, wrong fixes.

    \b
    Examples:
      gatehouse lab show api1-bola
    """
    if as_json:
        print_json(_about(find_scenario(scenario)))
    else:
        show.print_story(find_scenario(scenario))


@lab.command()
@click.argument("scenario")
@click.option("--all", "everything", is_flag=True, help="Every hint at once.")
@json_option
def hint(scenario: str, everything: bool, as_json: bool) -> None:
    """A nudge; `--all` for every one.

    \b
    Examples:
      gatehouse lab hint api1-bola
    """
    chosen = find_scenario(scenario)
    told = chosen.hints if everything else chosen.hints[:1]
    if as_json:
        print_json(told)
        return
    for number, text in enumerate(told, start=1):
        click.echo(f"{number}. {text}")


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


for one in (rehearsing.run, rehearsing.selfcheck, rehearsing.report_, rehearsing.blast_radius, rehearsing.matrix_):
    lab.add_command(one)
for one in (live.break_, live.attack, live.fix, live.check, live.reset):
    lab.add_command(one)
