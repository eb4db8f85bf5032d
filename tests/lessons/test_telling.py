"""A lesson in a terminal."""

from __future__ import annotations

import re

import click
from click.testing import CliRunner

from scenarios.lessons.reading import read
from scenarios.lessons.running import Desk
from scenarios.lessons.telling import go_through, print_checked
from tests.lessons.test_reading import PAGE

BROKEN = PAGE.replace("\none two\n", "\none three\n")


def told(page: str, place: Desk, typed: str, *, pause: bool) -> str:
    lesson = read(page, "a-title")
    command = click.Command("go", callback=lambda: print_checked(lesson, go_through(lesson, place, pause=pause)))
    return CliRunner().invoke(command, input=typed).output


def test_each_command_waits_for_enter(place: Desk) -> None:
    said = told(PAGE, place, "\n\n\n", pause=True)
    assert said.count("Enter runs it") == 3
    order = [
        "A title",
        "Some text.",
        "$ echo one",
        "one two",
        "$ false",
        "The end.",
        "3 as the lesson",
        "Which?",
        "LETTER",
    ]
    assert sorted(order, key=said.index) == order


def test_who_stops_runs_no_more(place: Desk) -> None:
    said = told(PAGE, place, "\n", pause=True)
    assert "one two" in said
    assert "The end." not in said


def test_a_broken_line_is_told_with_what_came_in_its_place(place: Desk) -> None:
    said = told(BROKEN, place, "", pause=False)
    assert "Not as the lesson shows it: this is not printed, or not there: one three" in said
    assert "3 commands, 2 as the lesson shows them." in said
    assert re.search(r"^ 3  A title: 3 commands, \d+ s: DRIFT$", said, re.MULTILINE)
    assert "      | one two" in said
