"""Whether a command printed what its lesson shows.

The rule: every line as it stands there, in that order, but for

- `…` in a line: whatever varies; a time, a number, an id;
- `…` as a line: any number of lines;
- blanks, and empty lines: how a table is spaced depends on what is in it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

ANYTHING = "…"


def drift(shown: Sequence[str], printed: str) -> str:
    """What is not as it is shown, in a line; empty when all is.

    It names the first shown line that is missing at its place, or the first printed one that is not shown.
    """
    wanted = [line for line in map(_plain, shown) if line]
    got = [line for line in map(_plain, printed.splitlines()) if line]
    if _fits(wanted, got):
        return ""
    for number, line in enumerate(wanted):
        if not _fits([*wanted[: number + 1], ANYTHING], got):
            return f"is not printed, or not there: {line}"
    surplus = next((number for number in range(len(got)) if _fits(wanted, got[:number])), 0)
    return f"is printed, and not shown: {got[surplus]}"


def _plain(line: str) -> str:
    return " ".join(line.split())


def _fits(wanted: Sequence[str], got: Sequence[str]) -> bool:
    pattern = "".join("(?:.*\n)*" if line == ANYTHING else _line(line) + "\n" for line in wanted)
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in got)) is not None


def _line(line: str) -> str:
    return ".*".join(re.escape(part) for part in line.split(ANYTHING))
