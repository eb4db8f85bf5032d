"""The pages of docs/lessons: complete, and their commands exist. `gatehouse lesson selfcheck` runs them."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from gateway.cli.main import cli
from scenarios.lessons.model import Lesson
from scenarios.lessons.reading import lessons

FOLDER = Path(__file__).parents[2] / "docs" / "lessons"
CALL = re.compile(r"(?:^|[;&|(] ?|until |do )gatehouse ([a-z]+)(?: ([a-z][a-z-]*))?([^|&;)\n]*)", re.MULTILINE)
OPTION = re.compile(r"(?<![\w'-])--[a-z][a-z-]+")

every_lesson = pytest.mark.parametrize("lesson", lessons().values(), ids=lambda lesson: lesson.id)


def test_all_are_there() -> None:
    assert list(lessons()) == list(range(1, 11))
    files = {f"{one.number:02}-{one.id}.md" for one in lessons().values()}
    assert {path.name for path in FOLDER.iterdir()} == files | {"README.md"}


def test_the_list_of_the_page_is_this_list() -> None:
    rows = re.findall(r"^\| (\d+) \| \[(.+?)\]\((.+?)\)", (FOLDER / "README.md").read_text("utf-8"), re.MULTILINE)
    assert rows == [(f"{one.number}", one.title, f"{one.number:02}-{one.id}.md") for one in lessons().values()]


@every_lesson
def test_a_lesson_is_whole(lesson: Lesson) -> None:
    assert 10 <= lesson.minutes <= 15
    assert len(list(lesson.commands)) >= 5
    letters = [letter for letter, _ in lesson.question.choices]
    said = [one for case in lesson.question.cases for one in case.says]
    assert sorted(said) == letters  # each choice has its answer, with its reason
    assert sum(case.right for case in lesson.question.cases) == 1
    assert "## What follows" in lesson.markdown


@every_lesson
def test_its_commands_exist(lesson: Lesson) -> None:
    calls = [call for command in lesson.commands for call in CALL.findall(command.text.replace("\\\n", " "))]
    assert calls
    assert [problem for name, second, rest in calls if (problem := unknown(name, second, rest))] == []


def unknown(name: str, second: str, rest: str) -> str:
    """What of a call does not exist; empty when all does."""
    command = cli.get_command(click.Context(cli), name)
    if isinstance(command, click.Group):
        command = command.get_command(click.Context(command), second)
    if command is None:
        return f"{name} {second}"
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    return " ".join(option for option in OPTION.findall(rest) if option not in known)


def test_an_unknown_command_would_be_seen() -> None:
    assert unknown("lesson", "fly", "") == "lesson fly"
    assert unknown("call", "alice", "GET / --loudly") == "--loudly"
    assert unknown("call", "alice", "GET / --internal") == ""
    typed = "gatehouse a | x\ntrace $(gatehouse b c)\nuntil gatehouse d; do"
    assert [name for name, _, _ in CALL.findall(typed)] == ["a", "b", "d"]
