from __future__ import annotations

import json

import pytest

from gateway.cli.console import Failure, Misuse, console, duration, mebibytes, print_json, table


def test_a_cell_is_neither_markup_nor_an_escape_sequence(capsys: pytest.CaptureFixture[str]) -> None:
    console().print(table(("PATH", "STATE"), [("[red]/a[/red] :smile: \x1b[2J", "deny")]))
    printed = capsys.readouterr().out
    assert r"[red]/a[/red] :smile: \x1b[2J" in printed
    assert "\x1b" not in printed


def test_a_line_is_not_markup_either(capsys: pytest.CaptureFixture[str]) -> None:
    console().print("GET [/bold] [link=http://evil.test]x[/link]")
    assert "GET [/bold] [link=http://evil.test]x[/link]" in capsys.readouterr().out


def test_a_pipe_is_wide_enough_for_grep(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    console().print(table(("A", "B"), [("x" * 70, "y" * 60)]))
    assert f"{'x' * 70}  {'y' * 60}" in capsys.readouterr().out


def test_json_holds_no_control_character(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"path": "/\x1b[2J\x7f\x9b\u202e"})
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"path": "/\x1b[2J\x7f\x9b\u202e"}
    assert printed.replace("\n", "").isprintable()


def test_an_error_says_what_and_what_next_in_visible_characters() -> None:
    error = Failure("refused: \x1b[31m", "Try again.")
    assert error.format_message() == "refused: \\x1b[31m\nTry again."
    assert (error.exit_code, Misuse("x").exit_code) == (1, 2)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.0031, "3 ms"), (2.06, "2.1 s"), (245, "4 min 5 s"), (7620, "2 h 7 min")],
)
def test_durations_are_readable(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_memory_is_readable_and_its_lack_too() -> None:
    assert mebibytes(64 * 1_048_576) == "64 MiB"
    assert mebibytes(None) == "–"
