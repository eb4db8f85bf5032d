"""The page of policies names every filter that is installed, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from gateway.compile.table import filter_classes

PAGE = Path(__file__).parents[2] / "docs" / "policies.md"


def test_the_page_names_every_filter() -> None:
    rows = [line.split("|")[1] for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")]
    assert sorted(name for row in rows for name in re.findall(r"`(\w+)`", row)) == sorted(filter_classes())
