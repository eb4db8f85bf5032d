"""What the lab has done to an instance, written down before it is done.

The problem: a run that is interrupted leaves a weakness in force, and nobody there who knows of it. The rule: each
change is noted in the state directory first, and struck out when it is taken back; `gatehouse lab reset` and the
console's banner read the same notes.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from gateway.control.supervisor.state_dir import write_private

NOTES = "lab.json"
"""In the state directory."""


@dataclass(frozen=True)
class Notes:
    """What the lab has done to an instance."""

    broken: list[str] = field(default_factory=list)
    touched: str = ""
    """The scenario that has changed something, staged things included."""
    planted: dict[str, list[str]] = field(default_factory=dict)
    undo: dict[str, Any] = field(default_factory=dict)
    """What the supervisor is asked, so that a process runs again."""
    shut: list[str] = field(default_factory=list)
    """Third parties that the lab has put in quarantine."""
    rerouted: bool = False
    """An attack has put something on a way; `Target.rerouted`."""


class Notebook:
    """The notes of one instance."""

    def __init__(self, state_dir: Path) -> None:
        self._path = state_dir / NOTES

    def read(self) -> Notes:
        """What is noted now."""
        return Notes(**json.loads(self._path.read_text())) if self._path.exists() else Notes()

    def note(self, **changes: Any) -> None:
        """Write down what is otherwise than before; by the names of `Notes`."""
        write_private(self._path, asdict(replace(self.read(), **changes)))


def having(names: list[str], name: str, there: bool) -> list[str]:
    """The names, with this one or without it."""
    return sorted({*names, name} if there else {*names} - {name})
