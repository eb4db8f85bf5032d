"""Which tests are thorough: they take minutes, since whole systems start for them, or other programs take part.

`make test` leaves them out and answers within minutes; `make thorough` runs them, and CI runs both.
"""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent
THOROUGH = (
    "browser",
    "dashboards",
    "differential",
    "faults",
    "integration/mesh",
    "integration/test_scaling.py",
    "journeys",
)
"""Folders and files, below this one."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark them, by where they stand."""
    places = [HERE / name for name in THOROUGH]
    for item in items:
        if any(item.path.is_relative_to(place) for place in places):
            item.add_marker("thorough")
