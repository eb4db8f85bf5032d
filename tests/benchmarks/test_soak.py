"""Growth is told by quarters: what fills up and stays grows no more in the last."""

from __future__ import annotations

from benchmarks.soak import Look, grown


def test_what_fills_up_and_stays_has_grown_no_more_in_the_last_quarter() -> None:
    looks = [Look(control=min(number, 20), worker=7.0, heap=number / 10, nodes=895.0) for number in range(80)]
    assert grown(looks, 1) == [10.0, 0.0, 1.0, 0.0]
    assert grown(looks, 2) == [0.0, 0.0, 1.0, 0.0]
    assert grown(looks, 4) == [0.0, 0.0, 1.0, 0.0]  # the heap leaks


def test_eight_looks_are_enough() -> None:
    looks = [Look(control=float(number), worker=0.0, heap=0.0, nodes=0.0) for number in range(8)]
    assert [grown(looks, quarter)[0] for quarter in (1, 2, 3, 4)] == [1.0, 1.0, 1.0, 1.0]
