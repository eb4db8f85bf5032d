"""The registry: at which addresses the sidecars of each service are.

The problem: whoever can write here diverts the traffic of a service; and an entry whose owner has died sends requests
to nobody. The rule: only the holder of a service's identity registers an address for it (its certificate is checked by
the channel, before anything of this is called); an entry lives for as long as its line to control stands and for a
lease after that, so that a control process that was restarted forgets nobody who is still there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

LEASE: Final = 5.0
"""Seconds for which an entry stands without a line."""
MAX_INSTANCES: Final = 256


@dataclass(frozen=True, slots=True)
class Entry:
    """One sidecar, and with it one copy of its service."""

    service: str
    address: str
    line: object | None
    """Its connection to control; None while there is none."""
    until: float = 0.0
    """When its lease ends, while it is not connected."""

    @property
    def connected(self) -> bool:
        """Whether it is there to be asked."""
        return self.line is not None


class Registry:
    """Entries by the names of sidecars."""

    def __init__(self, clock: Callable[[], float], file: Path | None = None) -> None:
        """`file` keeps the entries for the next control process, which gives each a lease."""
        self._clock, self._file = clock, file
        self._groups: dict[str, str] | None = None
        """By the names of sidecars; None as long as nobody has said: then all of them serve."""
        self._entries: dict[str, Entry] = {}
        for name, kept in _read(file).items():
            self._entries[name] = Entry(kept["service"], kept["address"], None, clock() + LEASE)

    @property
    def entries(self) -> Mapping[str, Entry]:
        """What is known, by the names of sidecars."""
        return self._entries

    def endpoints(self) -> dict[str, list[str]]:
        """Addresses by service, or by the group that a copy is in, in the order of the sidecars' names."""
        found: dict[str, list[str]] = {}
        for name, one in sorted(self._entries.items()):
            group = one.service if self._groups is None else self._groups.get(name)
            if group is not None:
                found.setdefault(group, []).append(one.address)
        return found

    def place(self, groups: Mapping[str, str], known: Collection[str]) -> bool:
        """Which sidecars get requests, and for which group of copies; whether that changes the endpoints.

        Who is registered and not placed is there and gets none: it is not ready yet, or about to go. Nobody waits for
        the lease of one that is not even `known`: it was stopped on purpose.
        """
        before, self._groups = self.endpoints(), dict(groups)
        gone = [name for name, one in self._entries.items() if name not in known and not one.connected]
        for name in gone:
            del self._entries[name]
        return self._changed(before)

    def register(self, name: str, service: str, address: str, line: object) -> bool:
        """A sidecar is there, at the other end of `line`; whether that changes the endpoints.

        Raises:
            ValueError: there are too many, or the name is another service's.
        """
        before, known = self.endpoints(), self._entries.get(name)
        if known is not None and known.service != service:
            raise ValueError(f"{name} is a sidecar of {known.service}")
        if known is None and len(self._entries) >= MAX_INSTANCES:
            raise ValueError("there are too many sidecars")
        self._entries[name] = Entry(service, address, line)
        return self._changed(before)

    def lost(self, name: str, line: object) -> None:
        """Its line has ended: it may come back. The end of a line that never registered changes nothing."""
        known = self._entries.get(name)
        if known is not None and known.line is line:
            self._entries[name] = replace(known, line=None, until=self._clock() + LEASE)

    def expire(self) -> bool:
        """Forget those whose lease is over; whether that changes the endpoints."""
        before, now = self.endpoints(), self._clock()
        self._entries = {name: one for name, one in self._entries.items() if one.connected or one.until > now}
        return self._changed(before)

    def remove(self, name: str) -> bool:
        """It is stopped on purpose: nobody waits for a lease; whether that changes the endpoints."""
        before = self.endpoints()
        self._entries.pop(name, None)
        return self._changed(before)

    def _changed(self, before: Mapping[str, list[str]]) -> bool:
        changed = before != self.endpoints()
        if changed and self._file is not None:
            new = self._file.with_suffix(".new")
            kept = {name: {"service": one.service, "address": one.address} for name, one in self._entries.items()}
            new.write_text(json.dumps(kept))
            new.replace(self._file)
        return changed


def _read(file: Path | None) -> dict[str, Any]:
    if file is None or not file.exists():
        return {}
    kept: dict[str, Any] = json.loads(file.read_bytes())
    return kept
