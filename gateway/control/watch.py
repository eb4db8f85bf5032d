"""Noticing that the configuration file has changed.

The problem: editors save in different ways; some write in place, in several steps, others write a new file
and rename it over the old one, so that for a moment there is none. The rule: twice a second look at time,
size and inode; a change counts when two looks in a row agree, and a missing file is no change.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

log = logging.getLogger(__name__)

POLL_SECONDS = 0.5

Look = tuple[int, int, int]


def look(path: Path) -> Look | None:
    """Modification time, size and inode; None when there is no such file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


class Watcher:
    """Decides, look by look, whether the file has changed; does no waiting itself."""

    def __init__(self, known: Look | None) -> None:
        self._known = known
        self._seen = known

    def changed(self, now: Look | None) -> bool:
        """True once per change, at the second look that sees it."""
        settled = now is not None and now == self._seen and now != self._known
        self._seen = now if now is not None else self._seen
        if settled:
            self._known = now
        return settled


async def watch(path: Path, on_change: Callable[[], Awaitable[object]], poll: float = POLL_SECONDS) -> None:
    """Call `on_change` after every change, for ever."""
    watcher = Watcher(look(path))
    while True:
        await asyncio.sleep(poll)
        if watcher.changed(look(path)):
            await on_change()
