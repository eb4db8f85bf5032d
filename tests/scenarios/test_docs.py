"""The table of docs/lab.md tells what the catalogue has: GOLDEN=write renews it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from scenarios.catalogue import catalogue
from scenarios.lab import matrix

PAGE = Path(__file__).parents[2] / "docs" / "lab.md"
BETWEEN = re.compile(r"(<!-- scenarios: [^\n]*-->\n)(.*?)(<!-- end of scenarios -->)", re.DOTALL)
MATRIX = re.compile(r"(<!-- matrix: [^\n]*-->\n)(.*?)(<!-- end of matrix -->)", re.DOTALL)
CROSSED = re.compile(r"(<!-- crossed: [^\n]*-->\n)(.*?)(<!-- end of crossed -->)", re.DOTALL)


def table() -> str:
    """Every scenario, in the order of the catalogue."""
    rows = [
        f"| `{one.id}` | {one.title} | {one.control.name} | {one.control.where} | {', '.join(one.references)} |"
        for one in catalogue().values()
    ]
    head = ["| id | what happens | what stops it | where | references |", "|---|---|---|---|---|"]
    return "\n".join([*head, *rows]) + "\n"


def removals() -> str:
    """What each control stops by itself; in bold where another stops it, too."""
    written = matrix.written()
    deep = matrix.in_depth(written)
    rows = [
        f"| `{one.scenario}`{' **in depth**' if one.scenario in deep else ''} | {one.removed} "
        f"| {'gets through' if one.breached else 'stopped all the same'} |"
        for one in written
    ]
    return "\n".join(["| attack | missing alone | then |", "|---|---|---|", *rows]) + "\n"


def openings() -> str:
    """What each control, missing alone, lets through of the whole catalogue; those that let nothing through are told
    by the other table."""
    rows = [
        f"| {removed} | {', '.join(f'`{one}`' for one in through)} |"
        for removed, through in matrix.written_crossed().items()
        if through
    ]
    return "\n".join(["| missing alone | gets through, of the whole catalogue |", "|---|---|", *rows]) + "\n"


@pytest.mark.parametrize(("between", "table"), [(BETWEEN, table), (MATRIX, removals), (CROSSED, openings)])
def test_the_page_has_every_row(between: re.Pattern[str], table: Callable[[], str]) -> None:
    text = PAGE.read_text()
    if os.environ.get("GOLDEN") == "write":
        PAGE.write_text(text := between.sub(lambda match: match[1] + table() + match[3], text))
    found = between.search(text)
    assert found is not None
    assert found[2] == table(), "GOLDEN=write .venv/bin/python -m pytest -q tests/scenarios/test_docs.py"
