"""At which addresses the copies of a peer are, outside of a mesh.

The problem: the copies of a service come and go while those who call it run on. The rule: who manages the copies keeps
a file, and a look at it before each call is enough: it is replaced as a whole, so reading it again is only needed when
it is another one. Calls take turns; what cannot be connected to was sent nothing, so the next copy is tried at once.
Where the file says nothing of a peer, or there is none, its one address of the settings holds (a module of the
monolith has peers in its own process, that nobody manages).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path


class Peers:
    """The addresses of all peers."""

    def __init__(self, settled: Mapping[str, str], file: Path | None) -> None:
        self._file = file
        self._settled = {name: [url] for name, url in settled.items()}
        self._of = self._settled
        self._read: tuple[int, int] | None = None
        self._turn = 0

    def of(self, name: str) -> list[str]:
        """The base addresses of a peer, those to try first in front; none for a peer that is not known."""
        self._look()
        known = self._of.get(name, [])
        if len(known) < 2:
            return known
        self._turn += 1
        first = self._turn % len(known)
        return known[first:] + known[:first]

    def _look(self) -> None:
        if self._file is None:
            return
        try:
            found = self._file.stat()
            now = found.st_ino, found.st_mtime_ns
            if now != self._read:
                self._of, self._read = self._settled | json.loads(self._file.read_bytes()), now
        except (OSError, ValueError):
            return  # what was known holds on
