"""A lesson from its page.

    # 1 · API or microservice?

    *12 minutes · architecture gateway · claims C1, C18*

    Text.

    ```console                      run, and compared; ```console fails: its commands exit with another code than 0
    $ gatehouse call …              a command; goes on over lines as in a shell: by a backslash, or in a quotation
    HTTP 200 OK  in … ms            what it prints, as scenarios.lessons.matching reads it
    ```

    ## Question                     the last section

    - **a** One answer.             choices, if it has some

    <!-- answers                    a list of cases in YAML; who reads the page does not see it
    - {says: [b], right: true, why: …}
    - {says: [a], why: …}
    - {why: …}                      whatever else is said
    -->

Blocks of other languages are for reading.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from types import MappingProxyType
from typing import Final

import yaml

from gateway.cli.console import no_such
from gateway.control.resources import data_dir
from scenarios.lessons.model import Case, Command, Lesson, Question, Step

_TITLE: Final = re.compile(r"# (\d+) · (.+)\n")
_FACTS: Final = re.compile(r"^\*(\d+) minutes · architecture ([\w, ]+) · claims ([\w, ]+)\*$", re.MULTILINE)
_BLOCK: Final = re.compile(r"^```console( fails)?\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
_QUESTION: Final = re.compile(r"^## Question\n", re.MULTILINE)
_ANSWERS: Final = re.compile(r"<!-- answers\n(.*?)-->\n?", re.DOTALL)
_CHOICE: Final = re.compile(r"^- \*\*(\w)\*\* (.+)$", re.MULTILINE)


class BadPage(ValueError):
    """A page that is no lesson; says what it lacks."""


@cache
def lessons() -> MappingProxyType[int, Lesson]:
    """All lessons, by number.

    Raises:
        BadPage: one of the pages is no lesson.
    """
    pages = sorted(data_dir("docs/lessons").glob("[0-9]*.md"))
    found = [read(page.read_text("utf-8"), page.stem.partition("-")[2]) for page in pages]
    return MappingProxyType({one.number: one for one in found})


def find_lesson(name: str) -> Lesson:
    """The lesson of this number or id.

    Raises:
        Misuse: there is none; the nearest is named.
    """
    for one in lessons().values():
        if name in (str(one.number), one.id):
            return one
    raise no_such("lesson", name, [one.id for one in lessons().values()], "gatehouse lesson list")


def read(page: str, name: str) -> Lesson:
    """The lesson on a page.

    Raises:
        BadPage: it is none.
    """
    title, facts = _TITLE.match(page), _FACTS.search(page)
    if title is None or facts is None:
        raise BadPage(f"{name}: no title, or no line of minutes, architecture and claims")
    architectures = tuple(facts[2].split(", "))
    if architectures[0] != "gateway":
        raise BadPage(f"{name}: a lesson begins in the architecture gateway, and starts others itself")
    body, question = _QUESTION.split(page) if len(_QUESTION.findall(page)) == 1 else (page, "")
    return Lesson(
        number=int(title[1]),
        id=name,
        title=title[2],
        minutes=int(facts[1]),
        architectures=architectures,
        claims=tuple(facts[3].split(", ")),
        markdown=_ANSWERS.sub("", page),
        steps=tuple(_steps(body[facts.end() :])),
        question=_question(question, name),
    )


def _steps(body: str) -> Iterator[Step]:
    position = 0
    for block in _BLOCK.finditer(body):
        yield Step(body[position : block.start()].strip(), tuple(_commands(block[2], fails=bool(block[1]))))
        position = block.end()
    if rest := body[position:].strip():
        yield Step(rest, ())


def _commands(block: str, *, fails: bool) -> Iterator[Command]:
    for typed in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        lines = typed.splitlines()
        end = next(number for number in range(1, len(lines) + 1) if _is_whole("\n".join(lines[:number])))
        yield Command("\n".join(lines[:end]), tuple(lines[end:]), fails)


def _is_whole(typed: str) -> bool:
    try:
        shlex.split(typed, comments=True)
    except ValueError:  # a quotation is open, or something is escaped that does not follow
        return False
    return True


def _question(text: str, name: str) -> Question:
    answers = _ANSWERS.search(text)
    if answers is None:
        raise BadPage(f"{name}: one question with its answers is wanted")
    cases = tuple(
        Case(tuple(str(one).lower() for one in case.get("says", ())), case["why"].strip(), case.get("right", False))
        for case in yaml.safe_load(answers[1])
    )
    if not any(case.right for case in cases) or cases[-1].says:
        raise BadPage(f"{name}: no answer is right, or the last is not for everything else")
    asked = _ANSWERS.sub("", text).strip()
    return Question(asked, tuple(_CHOICE.findall(asked)), cases)
