"""How much memory processes use.

Resident size counts shared pages once per process, so nine Pythons look three times too large. Proportional
set size (PSS) divides each shared page among its users, and may be added up
(https://docs.kernel.org/filesystems/proc.html, smaps_rollup). Only Linux has it; elsewhere it is unknown.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def proportional(pid: int, opened: int | None = None) -> int | None:
    """PSS in bytes; None where the system does not tell.

    `opened` is a descriptor of that file which the process itself had opened, before it closed its memory to others.
    """
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup")
        text = rollup.read_text() if opened is None else os.pread(opened, 4_096, 0).decode()
    except OSError:
        return None
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return None


def resident(pid: int) -> int | None:
    """RSS in bytes; None if the process is gone."""
    if Path("/proc/self/status").exists():
        return _resident_linux(pid)
    import psutil  # macOS has no /proc

    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return None


def _resident_linux(pid: int) -> int | None:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    for line in status.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return None


def total_mib(sizes: Iterable[int | None]) -> float | None:
    """The sum in MiB of those that are known; None unless one is."""
    known = [size for size in sizes if size is not None]
    return round(sum(known) / 1_048_576, 1) if known else None
