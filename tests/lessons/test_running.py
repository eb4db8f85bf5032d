"""Commands are run as somebody types them, and one broken line is seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenarios.lessons.model import Command
from scenarios.lessons.reading import read
from scenarios.lessons.running import Desk
from tests.lessons.test_reading import PAGE


def test_a_page_whose_commands_print_what_it_shows(place: Desk) -> None:
    assert [place.type(one).drift for one in read(PAGE, "a-title").commands] == ["", "", ""]


@pytest.mark.parametrize(
    ("old", "new", "drifts"),
    [
        ("\none two\n", "\none three\n", ["is not printed, or not there: one three", "", ""]),
        ("a\nb\n```", "a\n```", ["", "is printed, and not shown: b", ""]),
        ("console fails", "console", ["", "", "ended with exit code 1"]),
        ("$ false", "$ true", ["", "", "ended with exit code 0"]),
    ],
)
def test_one_broken_line(place: Desk, old: str, new: str, drifts: list[str]) -> None:
    assert PAGE.count(old) == 1
    assert [place.type(one).drift for one in read(PAGE.replace(old, new), "a-title").commands] == drifts


def test_a_command_is_this_gatehouse_and_finds_the_shop(place: Desk, tmp_path: Path) -> None:
    outcome = place.type(Command("gatehouse ps", (f"Error: Nothing runs in {tmp_path / 'no-shop'}.", "…"), fails=True))
    assert outcome.drift == ""


def test_files_stay_until_the_lesson_ends_and_the_shop_can_be_copied(place: Desk) -> None:
    assert place.type(Command("cp -RL sample_services mine", ())).drift == ""
    assert place.type(Command("ls mine/reports/queries.py", ("mine/reports/queries.py",))).drift == ""
    assert not (place.folder / "mine").is_symlink()


def test_lines_are_told_as_they_come(place: Desk) -> None:
    lines: list[str] = []
    place.type(Command("echo out; echo err >&2; printf rest", ()), echo=lines.append)
    assert lines == ["out\n", "err\n", "rest"]
