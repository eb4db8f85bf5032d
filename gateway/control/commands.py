"""What the console may run: commands of `gatehouse`, as a person would type them.

The problem: the lab, the lessons and the incidents are programs of other packages, which the control process must not
import, and they work for seconds or minutes. The rule: the console runs the same command as a learner does, as a
child process, and shows which. Only what stands in this table can be run, with arguments of a known form; where the
command takes free text, `--` stands before it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from gateway.control.problems import Problem

ID = re.compile(r"[a-z0-9][a-z0-9-]{0,60}")


@dataclass(frozen=True)
class Command:
    """One command; `{name}` stands for an argument."""

    words: str
    seconds: float = 60.0
    """It is ended when it takes longer."""
    forms: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    attended: bool = False
    """It waits for people: it is ended when nobody has looked for so long."""

    def line(self, arguments: Mapping[str, str]) -> list[str]:
        """The words to run.

        Raises:
            Problem: 422, an argument is missing, unknown, or not of its form.
        """
        if unknown := arguments.keys() - self.forms.keys():
            raise Problem(422, "invalid_argument", f"there is no {', '.join(sorted(unknown))[:80]} here")
        for name, form in self.forms.items():
            if not form.fullmatch(arguments.get(name, "")):
                raise Problem(422, "invalid_argument", f"{name} is not of the form {form.pattern}")
        return [word.format_map(arguments) if "{" in word else word for word in self.words.split()]


CALL: Mapping[str, re.Pattern[str]] = MappingProxyType({
    "user": re.compile(r"[a-z][a-z0-9-]{0,40}"),
    "method": re.compile(r"[A-Z]{1,20}"),
    "target": re.compile(r"/[\x21-\x7e]{0,4000}"),
})  # fmt: skip
BODY = re.compile(r"(?!@)[\s\S]{1,20000}")
"""A body as it is: `@` would name a file."""


def _on_scenario(words: str, seconds: float = 60.0) -> Command:
    return Command(f"{words} -- {{scenario}}", seconds, {"scenario": ID})


LESSON = {"lesson": ID}
WORDS = re.compile(r"[^\x00-\x1f\x7f]{1,200}")
"""Free text of one line."""

COMMANDS: Mapping[str, Command] = MappingProxyType({
    "call": Command("call --json -- {user} {method} {target}", 60.0, CALL),
    "call-with-body": Command("call --json --data={body} -- {user} {method} {target}", 60.0, {**CALL, "body": BODY}),
    "explain": Command("explain --json --as={user} -- {method} {target}", 60.0, CALL),
    "explain-with-body": Command(
        "explain --json --as={user} --data={body} -- {method} {target}", 60.0, {**CALL, "body": BODY}
    ),
    "lab-list": Command("lab list --json"),
    "lab-break": _on_scenario("lab break"),
    "lab-attack": _on_scenario("lab attack --events", 180.0),
    "lab-step": Command("lab attack --events --step -- {scenario}", 120.0, {"scenario": ID}, attended=True),
    "lab-check": _on_scenario("lab check", 180.0),
    "lab-fix": _on_scenario("lab fix"),
    "lab-reset": Command("lab reset"),
    "lab-reset-data": Command("lab reset --data"),
    "lab-run": _on_scenario("lab run --json", 300.0),
    "lesson-list": Command("lesson list --json"),
    "lesson-show": Command("lesson show --json -- {lesson}", forms=LESSON),
    "lesson-run": Command("lesson run --json --step -- {lesson}", 120.0, LESSON, attended=True),
    "lesson-answer": Command("lesson answer --json -- {lesson} {text}", forms={**LESSON, "text": WORDS}),
    "incident-list": Command("incident list --json"),
    "incident-status": Command("incident status --json"),
    "incident-start": Command("incident start --json -- {incident}", 180.0, {"incident": ID}),
    "incident-surprise": Command("incident start --json --surprise", 180.0),
    "incident-answer": Command("incident answer --json -- {service} {cause}", forms={"service": ID, "cause": ID}),
    "incident-end": Command("incident end --json", 180.0),
    "lab-blast-radius": Command("lab blast-radius --json", 1_200.0),
})  # fmt: skip


def command(name: str) -> Command:
    """A command of the table.

    Raises:
        Problem: 404, there is none.
    """
    if name not in COMMANDS:
        raise Problem(404, "no_such_command", f"one of {', '.join(COMMANDS)}")
    return COMMANDS[name]
