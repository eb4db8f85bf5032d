"""Changed copies of the configuration, which stand in for the files.

The problem: a lab that edits people's files does harm. The rule: a file is never touched; a changed copy stands in for
it in the control process alone, until it is taken away or that process ends. The copy lies in the state directory, so
that a learner can mend it there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from gateway.cli.console import Failure
from gateway.cli.instance import Instance, problem_text
from scenarios.lab.model import ConfigFile, Remove, Rewrite

HEAD = """\
# A copy of the configuration, weakened for the scenario {id}. Mend it here, then: gatehouse lab check {id}
"""
COPIES: Mapping[ConfigFile, str] = {"gateway": "config.yaml", "mesh": "mesh.yaml"}
OVERRIDES: Mapping[ConfigFile, str] = {"gateway": "/override", "mesh": "/mesh/override"}
"""Where the control process is asked to let a copy stand in for a file."""


class Rejected(Failure):
    """The gateway does not take a changed configuration; what was in force still is."""


class Copies:
    """The copies that stand in for one instance's files."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def at(self, file: ConfigFile) -> Path:
        """Where the copy of a file is, or would be."""
        return self._instance.state_dir / "lab" / COPIES[file]

    def there(self) -> list[Path]:
        """The copies that there are."""
        return list(filter(Path.exists, map(self.at, COPIES)))

    def stand_in(self, file: ConfigFile, changes: list[Change], why: str) -> None:
        """Let the file, with these changes, be in force; the copy is kept.

        Raises:
            Rejected: with every mistake and its line.
        """
        document = self.original(file)
        for change in changes:
            change(document)
        self.at(file).parent.mkdir(mode=0o700, exist_ok=True)
        self.at(file).write_text(HEAD.format(id=why) + yaml.safe_dump(document, sort_keys=False, width=200))
        self.load(file, why)

    def take_away(self, file: ConfigFile) -> None:
        """The file itself is in force again."""
        self._instance.admin("DELETE", OVERRIDES[file])
        self.at(file).unlink(missing_ok=True)

    def change_once(self, change: Change, why: str) -> None:
        """One more change of what the gateway is configured with now; the copy does not know of it.

        Raises:
            Rejected: as for `stand_in`.
        """
        path = self.at("gateway")
        document = yaml.safe_load(path.read_text()) if path.exists() else self.original("gateway")
        change(document)
        self._put("gateway", yaml.safe_dump(document), why)

    def change_back(self) -> None:
        """Take `change_once` back."""
        if self.at("gateway").exists():
            self.load("gateway", "weakened before")
        else:
            self._instance.admin("DELETE", OVERRIDES["gateway"])

    def load_all(self, why: str) -> None:
        """Put the copies in force as they are now: weakened, or mended by a learner.

        Raises:
            Rejected: as for `stand_in`.
        """
        for file in OVERRIDES:
            if self.at(file).exists():
                self.load(file, why)

    def load(self, file: ConfigFile, why: str) -> None:
        """Put one copy in force as it is now.

        Raises:
            Rejected: as for `stand_in`.
        """
        self._put(file, self.at(file).read_text(), why)

    def _put(self, file: ConfigFile, text: str, why: str) -> None:
        answer = self._instance.admin_answer("PUT", OVERRIDES[file], {"text": text, "why": why})
        if not answer.ok:
            raise Rejected(f"The changed configuration was rejected: {problem_text(answer)}")

    def original(self, file: ConfigFile) -> dict[str, Any]:
        """A file that the instance runs, as plain data."""
        document: dict[str, Any] = yaml.safe_load(self._file(file).read_text())
        return document

    def in_force(self, file: ConfigFile) -> Path:
        """The copy, or the file where no copy stands in for it."""
        copy = self.at(file)
        return copy if copy.exists() else self._file(file)

    def _file(self, file: ConfigFile) -> Path:
        return Path(self._instance.config if file == "gateway" else self._instance.admin("GET", "/mesh")["file"])


Change = Callable[[dict[str, Any]], None]
"""Changes a configuration, given as plain data."""


def file_of(weakness: Remove | Rewrite) -> ConfigFile:
    """Which configuration it changes."""
    return weakness.file if isinstance(weakness, Rewrite) else "gateway"


def remove(document: dict[str, Any], weakness: Remove) -> None:
    """Take filters off a route.

    Raises:
        Failure: there is nothing to take away: the scenario and the configuration do not fit together.
    """
    one = _route(document, weakness.route) if weakness.route else document
    kept = [item for item in one.get("filters", []) if item["type"] != weakness.filter]
    if len(kept) == len(one.get("filters", [])):
        raise Failure(f"Route {weakness.route or '(all)'} has no {weakness.filter}: this is not the shop's file.")
    one["filters"] = kept


def _route(document: dict[str, Any], name: str) -> dict[str, Any]:
    for route in document["routes"]:
        if route["name"] == name:
            found: dict[str, Any] = route
            return found
    raise Failure(f"There is no route {name!r}: this is not the shop's file.")
