"""One lab at a time on one instance: two that weaken and restore the same things would leave some of them weak."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from gateway.cli.console import Failure


def take(state_dir: Path) -> int:
    """The lock of the lab, as a descriptor: held until it, and every copy of it, is closed.

    Raises:
        Failure: another lab is at work there.
    """
    fd = os.open(state_dir / "lab.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise Failure("Another lab is at work on this instance.", "An incident? gatehouse incident status") from None
    return fd


def is_taken(state_dir: Path) -> bool:
    """Whether somebody holds it."""
    try:
        os.close(take(state_dir))
    except Failure:
        return True
    return False
