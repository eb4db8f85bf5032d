"""API keys in memory, renewed while running.

The problem: a key that is revoked must end soon, not with the next deployment; but a file that is being written must
shut nobody out. The rule: at most once a second, when a key is asked for, the file is looked at (its time, size and
inode: 1 µs); what has changed is read at once. A file that cannot be used changes nothing but the log and a counter:
the keys before serve on. Without any that were ever read there is no answer but 503.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.observability.metrics import Metrics
from gateway.spec.api_keys import StoredKey, read_keys

LOOK_EVERY: Final = 1.0

log = logging.getLogger("gateway.keys")


@dataclass(frozen=True, slots=True)
class Holder:
    """A key's hash, and what is known of whoever holds it."""

    sha256: str
    claims: dict[str, Any]
    expires: float
    """Seconds since 1970; infinite for never."""
    revoked: bool


class KeyRing:
    """The keys of one file, by id."""

    def __init__(self, path: str, metrics: Metrics, clock: Callable[[], float]) -> None:
        self._path = path
        self._loads = metrics.key_file_loads
        self._clock = clock
        self._keys: dict[str, Holder] | None = None
        self._seen: tuple[int, int, int] | None = None
        self._next_look = float("-inf")
        self.keys()

    def __repr__(self) -> str:
        return f"<KeyRing {self._path} keys={len(self._keys or ())}>"

    def keys(self) -> dict[str, Holder] | None:
        """All keys by id; None when they could never be read."""
        now = self._clock()
        if now >= self._next_look:
            self._next_look = now + LOOK_EVERY
            seen = _look(self._path)
            if seen != self._seen or self._keys is None:
                self._seen = seen
                self._read()
        return self._keys

    def _read(self) -> None:
        try:
            file = read_keys(Path(self._path))
        except ValueError as error:
            self._loads.add("failed")
            log.error("API keys: %s; %s", error, "those before serve on" if self._keys else "there are none")
            return
        self._keys = {key.id: _holder(key) for key in file.keys}
        self._loads.add("loaded")
        log.info("API keys: %d from %s", len(self._keys), self._path)


def _holder(key: StoredKey) -> Holder:
    claims: dict[str, Any] = {"sub": key.owner, "key_id": key.id, "plan": key.plan, "scope": " ".join(key.scopes)}
    expires = key.expires.timestamp() if key.expires else float("inf")
    return Holder(key.sha256, claims, expires, key.revoked is not None)


def _look(path: str) -> tuple[int, int, int] | None:
    """Modification time, size and inode; None when there is no such file."""
    try:
        status = os.stat(path)  # noqa: PTH116  (on the way of a request: no Path objects)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
