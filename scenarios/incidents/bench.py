"""The shop while an incident is on: what is done to it, and how each of that is undone.

The problem: whoever plants a fault may be killed before it is taken away. The rule: each step is written down with its
way back before it is taken; ways back may be gone twice; so whoever finds the list (the same process, the one that
watches over it, the next command) can put everything back. The configuration file is never touched: a changed copy
stands in for it in the control process alone.
"""

from __future__ import annotations

import copy
import json
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import yaml

from gateway.cli.console import Failure
from gateway.cli.instance import Instance, problem_text
from gateway.control.supervisor.state_dir import StateDir, write_private

FOLDER = "incident"
UNDO = "undo.json"
OVERRIDE = "/override"
WHY = "an incident"
"""What is told of the changed configuration: not which."""
TRIES = 4
WITHIN = 60.0
"""Seconds that a deployment may take."""

Kind = Literal["version", "settings", "override"]


class Step(NamedTuple):
    """One way back."""

    kind: Kind
    name: str = ""
    back: Any = None


class Bench:
    """One instance."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self.running = ExitStack()
        """What goes on for as long as the incident does, in this process: closed before anything is undone."""
        self._file = instance.state_dir / FOLDER / UNDO

    # -- what an incident may do -----------------------------------------------------------------------------

    def deploy(self, service: str, version: str) -> None:
        """Another version of a service, as `gatehouse deploy` does it."""
        self._note(Step("version", service, self.version_of(service)))
        patiently(lambda: self._deploy(service, version))

    def reconfigure(self, process: str, settings: Mapping[str, Any], back: Mapping[str, Any]) -> None:
        """Start a process, or all copies of a service, again with other settings."""
        self._note(Step("settings", process, dict(back)))
        self._reconfigure(process, settings)

    def configure(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Another configuration of the gateway, as a changed copy of the file's."""
        document: dict[str, Any] = copy.deepcopy(yaml.safe_load(Path(self.instance.config).read_text()))
        change(document)
        self._note(Step("override"))
        answer = self.instance.admin_answer("PUT", OVERRIDE, {"text": yaml.safe_dump(document), "why": WHY})
        if not answer.ok:
            raise Failure(f"The changed configuration was rejected: {problem_text(answer)}")

    def database(self, service: str) -> Path:
        """The file of a service's database."""
        return StateDir(self.instance.state_dir).data(service) / f"{service}.db"

    def version_of(self, service: str) -> str:
        """Which version of a service runs."""
        told = self._processes()
        return str(next(one["version"] for one in told if one["name"] == service))

    # -- and how it is taken back ----------------------------------------------------------------------------

    @property
    def dirty(self) -> bool:
        """Whether something has not been undone."""
        return bool(self._notes())

    def restore(self) -> None:
        """Undo everything, the latest first.

        Raises:
            Failure: a step cannot be undone; it and those before it stay on the list.
        """
        self.running.close()
        notes = self._notes()
        while notes:
            patiently(partial(self._undo, notes[-1]))
            notes.pop()
            self._write(notes)

    def disown(self) -> None:
        """There is nothing left to undo."""
        self._write([])

    def _undo(self, step: Step) -> None:
        if step.kind == "version" and self.version_of(step.name) != step.back:
            self._deploy(step.name, step.back)
        elif step.kind == "settings":
            self._reconfigure(step.name, step.back)
        elif step.kind == "override":
            self.instance.admin("DELETE", OVERRIDE)

    def _deploy(self, service: str, version: str) -> None:
        self.instance.supervisor({"do": "deploy", "name": service, "version": version}, WITHIN)

    def _reconfigure(self, process: str, settings: Mapping[str, Any]) -> None:
        """It has the settings as soon as it is asked; on a busy machine it may be ready later than anybody waits."""
        try:
            self.instance.supervisor({"do": "reconfigure", "name": process, "settings": dict(settings)}, WITHIN)
        except Failure:
            end = time.monotonic() + WITHIN
            while not self._is_up(process):
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)

    def _is_up(self, process: str) -> bool:
        named = [one["state"] for one in self._processes() if process in (one["name"], one.get("service"))]
        return set(named) == {"running"}

    def _processes(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.instance.supervisor({"do": "ps"})["processes"]
        return found

    def _notes(self) -> list[Step]:
        return [Step(*one) for one in json.loads(self._file.read_text())["steps"]] if self._file.exists() else []

    def _note(self, step: Step) -> None:
        self._write([*self._notes(), step])

    def _write(self, steps: list[Step]) -> None:
        self._file.parent.mkdir(mode=0o700, exist_ok=True)
        write_private(self._file, {"steps": steps})


def patiently(act: Callable[[], None]) -> None:
    """A service that does not start in time on a busy machine gets another chance; a refused change leaves no trace.

    Raises:
        Failure: as often as it was tried.
    """
    for _ in range(TRIES - 1):
        try:
            act()
        except Failure:
            continue
        return
    act()


def forget(state_dir: Path) -> None:
    """Take away what was written down of an incident."""
    shutil.rmtree(state_dir / FOLDER, ignore_errors=True)


def part(document: Mapping[str, Any], kind: str, name: str) -> dict[str, Any]:
    """A route or a cluster of a configuration.

    Raises:
        Failure: there is none of that name: this is not the shop's file.
    """
    found: dict[str, Any] | None = next((one for one in document[kind] if one["name"] == name), None)
    if found is None:
        raise Failure(f"There is no {name!r} among the {kind}: incidents need the shop's own configuration.")
    return found
