"""How much memory processes use.

Resident size counts shared pages once per process, so nine Pythons look three times too large. Proportional
set size (PSS) divides each shared page among its users, and may be added up
(https://docs.kernel.org/filesystems/proc.html, smaps_rollup). Only Linux has it; elsewhere it is unknown.
"""

from __future__ import annotations

from pathlib import Path


def proportional(pid: int) -> int | None:
    """PSS in bytes; None where the system does not tell."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
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


def total_mib(pids: list[int]) -> float | None:
    """PSS of all in MiB; None unless it is known for at least one."""
    sizes = [size for pid in pids if (size := proportional(pid)) is not None]
    return round(sum(sizes) / 1_048_576, 1) if sizes else None
