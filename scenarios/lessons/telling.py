"""How a lesson goes in a terminal."""

from __future__ import annotations

import click

from gateway.cli.console import console
from gateway.cli.hints import program
from gateway.cli.text import visible
from scenarios.lessons.model import Lesson
from scenarios.lessons.running import Desk, Outcome


def print_markdown(text: str) -> None:
    """As a page."""
    from rich.markdown import Markdown

    console().print(Markdown(text))


def print_how_to_answer(lesson: Lesson) -> None:
    """The command for it."""
    what = "LETTER" if lesson.question.choices else "WORD"
    click.echo(f"\nAnswer it: {program()} lesson answer {lesson.number} {what}")


def go_through(lesson: Lesson, place: Desk, *, pause: bool) -> list[Outcome]:
    """Text and commands in turn, each output as it comes; `pause`: wait before each command."""
    outcomes = []
    print_markdown(f"# {lesson.number} · {lesson.title}")
    for step in lesson.steps:
        print_markdown(step.text)
        click.echo()
        for command in step.commands:
            click.secho(f"$ {command.text}", bold=True)
            if pause:
                click.prompt(click.style("Enter runs it", dim=True), "", show_default=False, prompt_suffix=" ")
            outcome = place.type(command, echo=lambda line: click.echo(visible(line, keep="\n\t"), nl=False))
            if outcome.drift:
                click.secho(f"Not as the lesson shows it: this {visible(outcome.drift)}", fg="yellow")
            click.echo()
            outcomes.append(outcome)
    as_shown = sum(not one.drift for one in outcomes)
    click.echo(f"{len(outcomes)} commands, {as_shown} as the lesson shows them.\n")
    print_markdown(f"## Question\n\n{lesson.question.text}")
    print_how_to_answer(lesson)
    return outcomes


def print_checked(lesson: Lesson, outcomes: list[Outcome]) -> None:
    """One line; below it what has drifted, with all that was printed."""
    took = sum(one.seconds for one in outcomes)
    drifted = [one for one in outcomes if one.drift]
    click.secho(
        f"{lesson.number:2}  {lesson.title}: {len(outcomes)} commands, {took:.0f} s: {'DRIFT' if drifted else 'ok'}",
        fg="red" if drifted else None,
    )
    for one in drifted:
        click.echo(f"    $ {one.command.text}\n    This {visible(one.drift)}")
        click.echo("".join(f"      | {visible(line)}\n" for line in one.printed.splitlines()), nl=False)
