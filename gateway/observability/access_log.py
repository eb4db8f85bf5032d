"""One JSON line per request, written without making any request wait.

The problem: a log line per request costs a system call, and what clients send can hold line breaks and terminal
escapes (CWE-117). The rule: JSON escapes control characters; lines are gathered and written a hundred or so in one
append, four times a second at least; the file is moved aside when it grows too large; tokens, cookies and passwords
are never in a record.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import orjson

from gateway.observability.registry import Counter

MAX_BYTES: Final = 67_108_864
AT_ONCE: Final = 128
"""So many lines are written at once: some 64 KiB, which the processor's cache still holds; 20 MiB less of memory."""

Record = dict[str, Any]


class AccessLog:
    """Appends records to a file that several workers share (one write per batch: lines stay whole)."""

    def __init__(self, path: Path | None, dropped: Counter | None = None) -> None:
        """`path` None writes nowhere; `dropped` counts lines that could not be written."""
        self.path = path
        self._dropped = dropped
        self._lines: list[bytes] = []
        self._fd = -1

    def add(self, record: Record) -> None:
        """Take a record; it is in the file after the next `flush`."""
        if self.path is None:
            return
        self._lines.append(orjson.dumps(record))
        if len(self._lines) == AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Write what was gathered; a full disk loses lines, which are counted, never requests."""
        if not self._lines or self.path is None:
            return
        lines, self._lines = self._lines, []
        try:
            self._reopen_if_moved()
            os.write(self._fd, b"\n".join(lines) + b"\n")
        except OSError:
            self._lost(len(lines))

    def _lost(self, count: int) -> None:
        if self._dropped is not None:
            self._dropped.add(amount=count)

    def _reopen_if_moved(self) -> None:
        """Another worker may have moved the file aside; move it ourselves when it is too large."""
        assert self.path is not None
        if self._fd >= 0:
            own = os.fstat(self._fd)
            try:
                current = self.path.stat()
            except FileNotFoundError:
                current = None
            moved = current is None or current.st_ino != own.st_ino
            if not moved and own.st_size < MAX_BYTES:
                return
            if not moved:
                self.path.replace(self.path.with_suffix(self.path.suffix + ".1"))
            os.close(self._fd)
        self._fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def close(self) -> None:
        """Write the rest."""
        self.flush()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
