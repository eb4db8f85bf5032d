"""What a lesson is: text, commands with what they print, and a question.

The problem: a page that shows commands grows old unseen. The rule: a lesson is a page whose commands are run, for
readers by `gatehouse lesson run` and for us by `gatehouse lesson selfcheck`, and whose outputs must come as they
stand there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Command:
    """A line to type, and what it prints."""

    text: str
    """For a shell; may go over several lines."""
    shown: tuple[str, ...]
    """Lines of output, as scenarios.lessons.matching reads them. None: it prints nothing."""
    fails: bool = False
    """Whether it exits with another code than 0, as it should."""


@dataclass(frozen=True)
class Step:
    """Text, and the commands that follow it."""

    text: str
    """Markdown."""
    commands: tuple[Command, ...]


@dataclass(frozen=True)
class Case:
    """One answer to the question."""

    says: tuple[str, ...]
    """Texts that count as this answer, in lower case; none: every other text."""
    why: str
    right: bool = False


@dataclass(frozen=True)
class Question:
    """What is asked at the end."""

    text: str
    """Markdown, with the choices."""
    choices: tuple[tuple[str, str], ...]
    """Letter and text; none where the answer is a word."""
    cases: tuple[Case, ...]


@dataclass(frozen=True)
class Lesson:
    """One page of docs/lessons."""

    number: int
    id: str
    title: str
    minutes: int
    architectures: tuple[str, ...]
    """The first must run; the lesson starts the others itself."""
    claims: tuple[str, ...]
    markdown: str
    """The whole page, without the answers."""
    steps: tuple[Step, ...]
    question: Question

    @property
    def commands(self) -> Iterator[Command]:
        """All of them, in order."""
        return (command for step in self.steps for command in step.commands)

    def facts(self) -> dict[str, Any]:
        """For a list of lessons."""
        return {
            "number": self.number,
            "id": self.id,
            "title": self.title,
            "minutes": self.minutes,
            "architectures": self.architectures,
            "claims": self.claims,
        }

    def view(self) -> dict[str, Any]:
        """All of it, for programs; without the answers."""
        steps = [
            {
                "text": step.text,
                "commands": [{"command": one.text, "shown": one.shown, "fails": one.fails} for one in step.commands],
            }
            for step in self.steps
        ]
        choices = [{"answer": letter, "text": text} for letter, text in self.question.choices]
        question = {"text": self.question.text, "choices": choices}
        return {**self.facts(), "markdown": self.markdown, "steps": steps, "question": question}
