"""What commands print with: tables, JSON and errors, in one style.

The problem: Rich reads `[red]` in any text it prints as an instruction, also in a path that an attacker
chose. The rule: no console here interprets markup, emoji codes or highlights; colour is given as an argument,
and every cell of a table is made visible (`gateway.cli.text`) before it is printed.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.text import visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

PIPE_WIDTH = 160
"""Columns when the output is no terminal: wide enough that no cell is cut before `grep` sees it."""

STATE_STYLES = {
    "running": "green", "ready": "green", "ok": "green", "pass": "green", "forward": "green",
    "starting": "yellow", "backoff": "yellow", "warn": "yellow", "wait": "yellow", "unknown": "yellow",
    "change": "cyan", "stopped": "dim", "missing": "dim",
    "deny": "red", "fail": "red", "no_route": "red",
}  # fmt: skip


class Failure(click.ClickException):
    """The thing failed or was refused: exit code 1. `hint` says what to do next."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def format_message(self) -> str:
        """The message, then the hint on a line of its own; both visible."""
        lines = [self.message, self.hint] if self.hint else [self.message]
        return "\n".join(visible(line, keep="\n") for line in lines)


class Misuse(Failure):
    """The command or a configuration file is wrong: exit code 2."""

    exit_code = 2


def no_such(what: str, word: str, known: Iterable[str], otherwise: str) -> Misuse:
    """What to raise when nothing is called `word`: it names the nearest, or else says `otherwise`."""
    from gateway.spec.errors import nearest

    near = nearest(word, tuple(known))
    return Misuse(f"There is no {what} {word!r}.", f"Did you mean {near}?" if near else otherwise)


def console(*, stderr: bool = False) -> Console:
    """A Rich console that takes every text literally."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH
    return Console(file=stream, markup=False, emoji=False, highlight=False, width=width, soft_wrap=False)


def styled(value: object) -> Text:
    """A cell: a word that names a state in that state's colour, anything else plain."""
    from rich.text import Text

    text = visible(value)
    return Text(text, style=STATE_STYLES.get(text, ""))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> Table:
    """A plain table; the columns named in `right` are aligned to the right, as numbers should be."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*(styled(cell) for cell in row))
    return made


def print_json(value: Any) -> None:
    """JSON for programs; everything outside ASCII is escaped, so control characters are, too."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=True))


def duration(seconds: float) -> str:
    """A time that people read at a glance: `3 ms`, `2.1 s`, `4 min 5 s`, `2 h 7 min`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def mebibytes(size: float | None) -> str:
    """A number of bytes in MiB, or a dash where the platform does not tell."""
    return "–" if size is None else f"{size / 1_048_576:.0f} MiB"
