from __future__ import annotations

import pytest

from gateway.cli.text import visible


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("\x1b[2J\x1b[31mred", r"\x1b[2J\x1b[31mred"),
        ("title\x07", r"title\x07"),
        ("\x9b31m", r"\x9b31m"),  # C1: one byte that some terminals take for ESC [
        ("line\r\nforged: line", r"line\r\nforged: line"),
        ("del\x7f", r"del\x7f"),
        ("\u202eexe.txt", r"\u202eexe.txt"),  # right-to-left override
        ("zero\u200bwidth\ufeff", r"zero\u200bwidth\ufeff"),
        ("\u2028", r"\u2028"),
        ("\ud800", r"\ud800"),
        ("[bold]literal[/bold]", "[bold]literal[/bold]"),
        ("Grüße, 世界, 🎉", "Grüße, 世界, 🎉"),
        ("", ""),
    ],
)
def test_what_is_hidden_is_written_out(given: str, shown: str) -> None:
    assert visible(given) == shown


def test_named_characters_may_stay() -> None:
    assert visible("a\n\tb\r\x1b", keep="\n\t") == "a\n\tb\\r\\x1b"


def test_anything_can_be_shown() -> None:
    assert visible(None) == "None"
    assert visible(42) == "42"
