"""What is wrong with a configuration file, told so that the reader can mend it at once.

The problem: "validation failed" costs an evening. The rule: like a good compiler, every mistake of the file is
told in one go, each with its file, line and column, the offending line with a caret, and a likely correction.
"""

from __future__ import annotations

import difflib
import sysconfig
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_SHOWN = 120
"""How many characters of an offending line are shown around the caret."""


@dataclass(frozen=True, slots=True)
class SpecError:
    """One mistake. `line` and `column` count from 1; `path` is where it stands in the document."""

    file: str
    line: int
    column: int
    path: str
    message: str
    text: str = ""
    """The offending line as it stands in the file."""
    suggestion: str | None = None
    """What was probably meant."""

    def __str__(self) -> str:
        hint = f' (did you mean "{self.suggestion}"?)' if self.suggestion else ""
        head = _printable(f"{self.file}:{self.line}:{self.column}: {self.message}{hint}")
        return head if not self.text.strip() else f"{head}\n{self._excerpt()}"

    def _excerpt(self) -> str:
        """The line and a caret below the column; a very long line is cut on its left."""
        start = max(0, self.column - 1 - _SHOWN // 2) if len(self.text) > _SHOWN else 0
        line = _printable(self.text[start : start + _SHOWN].replace("\t", " "), keep_width=True)
        return f"    {line}\n    {' ' * (self.column - 1 - start)}^"


def _printable(text: str, *, keep_width: bool = False) -> str:
    """`text` without characters that could steer a terminal: a file may come from a stranger."""
    if text.isprintable():
        return text
    escape = "\N{REPLACEMENT CHARACTER}".format if keep_width else ascii
    return "".join(char if char.isprintable() else escape(char).strip("'") for char in text)


class SpecErrors(Exception):
    """All mistakes of one configuration, in the order of the file."""

    def __init__(self, errors: Iterable[SpecError]) -> None:
        self.errors = tuple(sorted(errors, key=lambda error: (error.line, error.column, error.message)))
        super().__init__(self.errors)

    def __str__(self) -> str:
        return "\n".join(map(str, self.errors))


class UnusableFilter(Exception):
    """A filter's class or model cannot be used: its module does not load, or it is no filter. Says why."""


def fault(error: Exception) -> str:
    """What went wrong in somebody's own code, and where: `acme_filter.py:7: KeyError: 'name'`."""
    told = f"{type(error).__name__}: {error}".rstrip(": ").splitlines()[0]
    if isinstance(error, SyntaxError) and error.filename:
        return f"{Path(error.filename).name}:{error.lineno}: SyntaxError: {error.msg}"
    theirs = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_own(frame.filename)]
    return f"{Path(theirs[-1].filename).name}:{theirs[-1].lineno}: {told}" if theirs else told


def _is_own(file: str) -> bool:
    """Whether it is neither the standard library's, nor ours, nor pydantic's, which runs our models."""
    installed = "site-packages" in file or "dist-packages" in file
    if file.startswith(("<", str(Path(__file__).parents[1]))) or (installed and "/pydantic" in file):
        return False
    return installed or not file.startswith(sysconfig.get_path("stdlib"))


@lru_cache(maxsize=1024)
def nearest(word: str, choices: tuple[str, ...]) -> str | None:
    """The choice that looks most like `word`, or None when none does."""
    folded = {choice.lower(): choice for choice in choices}
    found = difflib.get_close_matches(word.lower(), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None
