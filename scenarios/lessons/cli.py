"""`gatehouse lesson`: lessons to read, run and answer."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from gateway.cli.console import Failure, console, duration, print_json, table
from gateway.cli.hints import program
from gateway.cli.instance import Instance, find
from gateway.cli.options import json_option, state_dir_option
from gateway.cli.text import visible
from scenarios.lab.private import private_instance
from scenarios.lessons.answering import judge
from scenarios.lessons.model import Lesson
from scenarios.lessons.reading import find_lesson, lessons
from scenarios.lessons.running import Desk, Outcome, desk

lesson_argument = click.argument("lesson", metavar="LESSON")


@click.group()
def lesson() -> None:
    """Ten lessons to read, run and answer.

    LESSON is a number or a name of the list. Each takes 10 to 15 minutes.
    """


@lesson.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the lessons.

    \b
    Examples:
      gatehouse lesson list
    """
    if as_json:
        print_json([one.facts() for one in lessons().values()])
        return
    rows = (
        (one.number, one.title, f"{one.minutes} min", " + ".join(one.architectures), ", ".join(one.claims))
        for one in lessons().values()
    )
    console().print(table(("NO", "LESSON", "TIME", "ARCHITECTURE", "CLAIMS"), rows, right=("NO", "TIME")))


@lesson.command("show")
@lesson_argument
@json_option
def show_(lesson: str, as_json: bool) -> None:
    """Read a lesson.

    \b
    Examples:
      gatehouse lesson show 1
      gatehouse lesson show 1 --json | jq '.steps[].commands[].command'
    """
    from rich.markdown import Markdown

    chosen = find_lesson(lesson)
    if as_json:
        print_json(chosen.view())
        return
    console().print(Markdown(chosen.markdown))
    _print_how_to_answer(chosen)


@lesson.command()
@lesson_argument
@click.option("--no-pause", is_flag=True, help="Do not wait before each command.")
@state_dir_option
@json_option
def run(lesson: str, no_pause: bool, state_dir: Path | None, as_json: bool) -> None:
    """Go through a lesson, and run its commands one by one.

    They run on the shop that runs; where none does, or another architecture, on one of the lesson's own. Exit code 1
    when a command does not print what the lesson shows. With --json one line for each command, and no pauses.

    \b
    Examples:
      gatehouse lesson run 1
      gatehouse lesson run 1 --no-pause
    """
    chosen = find_lesson(lesson)
    with _shop(state_dir, quiet=as_json) as instance, desk(instance.state_dir) as place:
        outcomes = _run_silently(chosen, place) if as_json else _run_aloud(chosen, place, pause=not no_pause)
    drifted = sum(bool(one.drift) for one in outcomes)
    if not as_json:
        console().print(f"{len(outcomes)} commands, {len(outcomes) - drifted} as the lesson shows them.\n")
        _print_how_to_answer(chosen)
    if drifted:
        raise click.exceptions.Exit(Failure.exit_code)


@lesson.command()
@lesson_argument
@click.argument("text", nargs=-1, required=True)
@json_option
def answer(lesson: str, text: tuple[str, ...], as_json: bool) -> None:
    """Answer a lesson's question.

    Exit code 0 when it is right, 1 when it is not; either way with the reason.

    \b
    Examples:
      gatehouse lesson answer 1 b
    """
    found = judge(find_lesson(lesson).question, " ".join(text))
    if as_json:
        print_json({"right": found.right, "why": found.why})
    else:
        click.secho("RIGHT" if found.right else "NOT YET", fg="green" if found.right else "yellow", bold=True)
        console().print(found.why)
    if not found.right:
        raise click.exceptions.Exit(Failure.exit_code)


@lesson.command()
@click.option(
    "--round-trip", type=click.IntRange(0, 2_000), default=300, show_default=True, metavar="MS",
    help="How long a byte takes to the shop and back.",
)  # fmt: skip
@click.option(
    "--rate", type=click.IntRange(1, 1_000_000), default=50, show_default=True, metavar="KB",
    help="How many kilobytes a second pass in each direction.",
)  # fmt: skip
@state_dir_option
@json_option
def screen(round_trip: int, rate: int, state_dir: Path | None, as_json: bool) -> None:
    """Fetch one profile screen by REST, SOAP and GraphQL, over a slow link.

    Alice's profile and her three latest orders with their products. All ways must end with the same screen. A wait is
    a time when nothing can be done but wait for an answer; connecting is one more.

    \b
    Examples:
      gatehouse lesson screen
      gatehouse lesson screen --round-trip 0 --rate 100000
    """
    from scenarios.lessons.screen import fetch_all

    fetched = fetch_all(find(state_dir), round_trip / 1000, rate * 1000)
    if as_json:
        print_json([one.view() for one in fetched])
        return
    rows = (
        (one.style, one.requests, one.waits, f"{one.sent:,}", f"{one.received:,}", duration(one.seconds))
        for one in fetched
    )
    columns = ("STYLE", "REQUESTS", "WAITS", "BYTES OUT", "BYTES BACK", "TIME")
    console().print(table(columns, rows, right=columns[1:]))
    if len({one.screen for one in fetched}) > 1:
        raise Failure("The screens are not the same.")
    click.echo(f"The same screen each time; {round_trip} ms there and back, {rate} kB a second.")


@lesson.command()
@json_option
def selfcheck(as_json: bool) -> None:
    """Run all lessons on a shop of their own, as a trainer does before class.

    Exit code 1 when a command does not print what its lesson shows.

    \b
    Examples:
      gatehouse lesson selfcheck
    """
    began, drifted = time.monotonic(), 0
    with private_instance("gateway") as instance:
        for one in lessons().values():
            with desk(instance.state_dir) as place:
                outcomes = _run_silently(one, place, aloud=as_json)
            wrong = [outcome for outcome in outcomes if outcome.drift]
            drifted += len(wrong)
            if not as_json:
                took = sum(outcome.seconds for outcome in outcomes)
                _print_checked(one, wrong, len(outcomes), took)
    if not as_json:
        click.echo(f"{len(lessons())} lessons, in {time.monotonic() - began:.0f} s.")
    if drifted:
        raise click.exceptions.Exit(Failure.exit_code)


def _print_checked(one: Lesson, wrong: list[Outcome], number: int, took: float) -> None:
    word = "ok" if not wrong else "DRIFT"
    click.secho(f"{one.number:2}  {one.title}: {number} commands, {took:.0f} s: {word}", fg="red" if wrong else None)
    for outcome in wrong:
        click.echo(f"    $ {outcome.command.text}\n    {visible(outcome.drift)}")
        click.echo("".join(f"      | {visible(line)}\n" for line in outcome.printed.splitlines()), nl=False)


def _run_silently(chosen: Lesson, place: Desk, *, aloud: bool = True) -> list[Outcome]:
    """All commands; `aloud`: each as a line of JSON."""
    outcomes = []
    for one in chosen.commands:
        outcomes.append(place.type(one))
        if aloud:
            click.echo(json.dumps({"lesson": chosen.number, **outcomes[-1].view()}))
    return outcomes


def _run_aloud(chosen: Lesson, place: Desk, *, pause: bool) -> list[Outcome]:
    from rich.markdown import Markdown

    outcomes = []
    console().print(Markdown(f"# {chosen.number} · {chosen.title}"))
    for step in chosen.steps:
        console().print(Markdown(step.text))
        click.echo()
        for one in step.commands:
            click.secho(f"$ {one.text}", bold=True, nl=False)
            if pause:
                click.prompt(click.style("   ⏎ runs it", dim=True), "", show_default=False, prompt_suffix="")
            else:
                click.echo()
            outcome = place.type(one, echo=lambda line: click.echo(visible(line, keep="\n\t"), nl=False))
            outcomes.append(outcome)
            if outcome.drift:
                click.secho(f"Not as the lesson shows it: this {visible(outcome.drift)}", fg="yellow")
            click.echo()
    return outcomes


def _print_how_to_answer(chosen: Lesson) -> None:
    example = "LETTER" if chosen.question.choices else "WORD"
    click.echo(f"\nAnswer it: {program()} lesson answer {chosen.number} {example}")


@contextmanager
def _shop(option: Path | None, *, quiet: bool) -> Iterator[Instance]:
    """The shop that runs, if it is of the architecture in which all lessons begin; else one of the lesson's own."""
    try:
        running = find(option)
    except Failure:
        running = None
    if running and running.architecture == "gateway" and "orders" in running.ports:
        yield running
        return
    if not quiet:
        click.echo("No shop of the architecture gateway runs: one is started for this lesson alone …", err=True)
    with private_instance("gateway") as instance:
        yield instance
