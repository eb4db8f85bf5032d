"""What tests of lessons share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from scenarios.lessons.running import Desk, desk


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Desk]:
    """A desk beside which no shop runs."""
    with desk(tmp_path / "no-shop") as one:
        yield one
