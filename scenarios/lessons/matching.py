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
    """As a file's name fits a pattern with stars: only the latest is ever stretched, since what is before it fits."""
    want = have = 0
    resume: tuple[int, int] | None = None
    while have < len(got):
        if want < len(wanted) and wanted[want] == ANYTHING:
            want += 1
            resume = want, have
        elif want < len(wanted) and _line_fits(wanted[want], got[have]):
            want, have = want + 1, have + 1
        elif resume:
            resume = resume[0], resume[1] + 1
            want, have = resume
        else:
            return False
    return all(line == ANYTHING for line in wanted[want:])


def _line_fits(wanted: str, got: str) -> bool:
    pattern = ".*".join(re.escape(part) for part in re.split(f" ?{ANYTHING} ?", wanted))
    return re.fullmatch(pattern, got) is not None
