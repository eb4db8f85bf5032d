"""Progress, told to the command in the terminal as JSON lines on a pipe.

A reader that is slow or gone must never hold up or end the supervisor: what does not fit is dropped.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any


class Events:
    """The writing end; `None` tells nobody."""

    def __init__(self, fd: int | None) -> None:
        self._fd = fd
        if fd is not None:
            os.set_blocking(fd, False)

    def tell(self, event: str, **facts: Any) -> None:
        """Send one event."""
        if self._fd is None:
            return
        with contextlib.suppress(BlockingIOError):
            try:
                os.write(self._fd, json.dumps({"event": event, **facts}).encode() + b"\n")
            except BrokenPipeError:
                self.close()

    @property
    def fd(self) -> int | None:
        """Where they are written; None once nobody is told."""
        return self._fd

    def close(self) -> None:
        """No more events."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
