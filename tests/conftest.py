"""Which tests are thorough: they take minutes, since whole systems start for them, or other programs take part.

`make test` leaves them out and answers within minutes, two files at a time (pytest-xdist), each with a shop of its own
where it needs one; `make thorough` runs them one after the other, since each has the whole machine to do; CI runs both.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.pop("COLUMNS", None)  # what commands print must not depend on the width that a test runner has set

HERE = Path(__file__).parent
THOROUGH = (
    "browser",
    "dashboards",
    "differential",
    "faults",
    "integration/mesh",
    "integration/test_scaling.py",
    "journeys",
    "gateway/control/supervisor/test_takeover.py",
    "sample_services/payments/test_processes.py",
    "sample_services/reports/test_processes.py",
    "scenarios/incidents/test_incident.py",
    "scenarios/test_lab.py",
)
"""Folders and files, below this one."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark them, by where they stand."""
    places = [HERE / name for name in THOROUGH]
    for item in items:
        if any(item.path.is_relative_to(place) for place in places):
            item.add_marker("thorough")
