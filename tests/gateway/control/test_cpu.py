"""Percent of a processor, from two looks."""

from __future__ import annotations

import os
from typing import Any

from gateway.control.cpu import CpuMeter, look


def test_what_was_used_between_two_looks() -> None:
    now, used, began = 10.0, {7: 1.0, 8: 5.0}, {7: 100.0, 8: 100.0}
    meter = CpuMeter(lambda: now, lambda pid: (began[pid], used[pid]) if pid in used else None)
    processes: list[dict[str, Any]] = [
        {"name": "a", "pid": 7},
        {"name": "b", "pid": 8},
        {"name": "gone", "pid": 9},
        {"name": "off", "pid": None},
    ]

    def seen() -> list[object]:
        meter.measure(processes)
        return [one["cpu_percent"] for one in processes]

    assert seen() == [None, None, None, None]
    now, used[7], used[8] = 12.0, 1.5, 5.0
    assert seen() == [25.0, 0.0, None, None]
    now, began[7], used[7] = 14.0, 200.0, 0.1  # the same id, another process
    assert seen() == [None, 0.0, None, None]


def test_a_real_process() -> None:
    found = look(os.getpid())
    assert found is not None
    assert found[1] > 0
    assert look(2**22 + 1) is None
