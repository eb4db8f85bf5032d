"""What is known of an incident while it runs and afterwards: the facts, and the answers that were given.

Two files, since two write: the process that runs the incident writes the facts, each command that answers appends to
the answers. Both lie in the private state directory; whoever is to be surprised does not look there.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from gateway.control.supervisor.state_dir import write_private
from scenarios.incidents.bench import FOLDER
from scenarios.incidents.model import Judgement

Phase = Literal["warming", "running", "ending", "ended", "failed"]
FACTS, ANSWERS, STOP = "case.json", "answers.jsonl", "stop"
MOST_ANSWERS = 200


@dataclass
class Case:
    """The facts. Times are seconds since the epoch."""

    id: str
    surprise: bool
    asked: float
    until: float
    """When it ends by itself."""
    phase: Phase = "warming"
    began: float | None = None
    visible: float | None = None
    ended: float | None = None
    restored_in: float | None = None
    before: float | None = None
    """The signal's value before the fault."""
    value: float | None = None
    peak: float | None = None
    alert: dict[str, Any] | None = None
    """The first alert about it, or about a symptom that came with it: name, and since when it fires."""
    no_alerts: str = "no alerts are evaluated"
    """Why there can be none; empty where alerts are evaluated."""
    why: str = ""
    """Why it ended, or what failed."""

    def save(self, state_dir: Path) -> None:
        """Write it down, as a whole."""
        folder = state_dir / FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        write_private(folder / FACTS, asdict(self))


def load(state_dir: Path) -> Case | None:
    """The incident that runs, or the last one."""
    path = state_dir / FOLDER / FACTS
    if not path.exists():
        return None
    told, known = json.loads(path.read_text()), {one.name for one in fields(Case)}
    return Case(**{name: value for name, value in told.items() if name in known})


@dataclass(frozen=True)
class Answers:
    """What was answered so far."""

    state_dir: Path
    given: tuple[Judgement, ...] = field(default=())

    @classmethod
    def of(cls, state_dir: Path) -> Answers:
        """Read them."""
        path = state_dir / FOLDER / ANSWERS
        lines = path.read_text().splitlines() if path.exists() else []
        return cls(state_dir, tuple(Judgement(**json.loads(line)) for line in lines))

    @property
    def found(self) -> Judgement | None:
        """The right one."""
        return next((one for one in self.given if one.right), None)

    def add(self, one: Judgement) -> None:
        """Write one down; beyond a bound they are judged and not kept."""
        if len(self.given) < MOST_ANSWERS:
            with (self.state_dir / FOLDER / ANSWERS).open("a") as file:
                file.write(json.dumps(asdict(one)) + "\n")


def ask_to_stop(state_dir: Path) -> None:
    """The process that runs the incident looks for this several times a second."""
    (state_dir / FOLDER).mkdir(mode=0o700, exist_ok=True)
    (state_dir / FOLDER / STOP).touch()


def asked_to_stop(state_dir: Path) -> bool:
    """Whether somebody did."""
    return (state_dir / FOLDER / STOP).exists()
