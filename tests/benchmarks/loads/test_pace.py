"""A slow reader's pace."""

from __future__ import annotations

import pytest

from benchmarks.loads.pace import BYTES_PER_SECOND, Pace


def test_a_reader_ahead_of_its_pace_waits() -> None:
    pace = Pace(100.0)
    assert pace.wait(BYTES_PER_SECOND, 100.25) == pytest.approx(0.75)
    assert pace.wait(BYTES_PER_SECOND, 101.0) == pytest.approx(1.0)


def test_a_reader_behind_its_pace_does_not() -> None:
    assert Pace(100.0).wait(1_000, 105.0) < 0
