"""`gatehouse lesson`: lessons to read, run and answer."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from gateway.cli.console import Failure, console, duration, print_json, table
from gateway.cli.instance import Instance, find
from gateway.cli.options import json_option, state_dir_option
from scenarios.lab.private import private_instance
from scenarios.lessons.answering import judge
from scenarios.lessons.model import Lesson
from scenarios.lessons.reading import find_lesson, lessons
from scenarios.lessons.running import Desk, Outcome, desk
from scenarios.lessons.telling import go_through, print_checked, print_how_to_answer, print_markdown

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
    chosen = find_lesson(lesson)
    if as_json:
        print_json(chosen.view())
        return
    print_markdown(chosen.markdown)
    print_how_to_answer(chosen)


@lesson.command()
@lesson_argument
@click.option("--no-pause", is_flag=True, help="Do not wait before each command.")
@click.option("--step", is_flag=True, help="With --json: wait for a line of input before each command.")
@state_dir_option
@json_option
def run(lesson: str, no_pause: bool, step: bool, state_dir: Path | None, as_json: bool) -> None:
    """Go through a lesson, and run its commands one by one.

    They run on the shop that runs; where none does, or another architecture, on one of the lesson's own. Exit code 1
    when a command does not print what the lesson shows. With --json one line for each command, and no pauses but those
    of --step.

    \b
    Examples:
      gatehouse lesson run 1
      gatehouse lesson run 1 --no-pause
    """
    chosen = find_lesson(lesson)
    with _shop(state_dir, quiet=as_json) as instance, desk(instance.state_dir) as place:
        outcomes = (
            _check(chosen, place, aloud=True, step=step) if as_json else go_through(chosen, place, pause=not no_pause)
        )
    if any(one.drift for one in outcomes):
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
    began, drifted = time.monotonic(), False
    with private_instance("gateway") as instance:
        for one in lessons().values():
            with desk(instance.state_dir) as place:
                outcomes = _check(one, place, aloud=as_json)
            drifted = drifted or any(outcome.drift for outcome in outcomes)
            if not as_json:
                print_checked(one, outcomes)
    if not as_json:
        click.echo(f"{len(lessons())} lessons, in {time.monotonic() - began:.0f} s.")
    if drifted:
        raise click.exceptions.Exit(Failure.exit_code)


def _check(chosen: Lesson, place: Desk, *, aloud: bool, step: bool = False) -> list[Outcome]:
    """Run all commands; `aloud`: each is told as a line of JSON; `step`: each waits for a line, while there are any."""
    outcomes = []
    for one in chosen.commands:
        if step and not sys.stdin.readline():
            break
        outcomes.append(place.type(one))
        if aloud:
            click.echo(json.dumps({"lesson": chosen.number, **outcomes[-1].view()}))
            sys.stdout.flush()
    return outcomes


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
