"""`gatehouse lesson`, where it needs no shop."""

from __future__ import annotations

import json

from click.testing import CliRunner, Result

from gateway.cli.main import cli
from scenarios.lessons.reading import lessons


def lesson(*words: str) -> Result:
    return CliRunner().invoke(cli, ["lesson", *words])


def test_the_list() -> None:
    text, listed = lesson("list").output, json.loads(lesson("list", "--json").output)
    assert [one["number"] for one in listed] == list(lessons())
    assert all(one.title in text for one in lessons().values())


def test_a_lesson_is_shown_without_its_answers() -> None:
    for words in (["show", "1"], ["show", "api-or-microservice", "--json"]):
        said = lesson(*words).output
        assert "a service without an api" in said.lower()
        assert "right: true" not in said
        assert all(case.why[:40] not in said for case in lessons()[1].question.cases)


def test_answers_are_judged() -> None:
    right, wrong = lesson("answer", "1", "B"), lesson("answer", "1", "a", "--json")
    assert (right.exit_code, right.output.splitlines()[0]) == (0, "RIGHT")
    assert wrong.exit_code == 1
    assert json.loads(wrong.output) == {"right": False, "why": lessons()[1].question.cases[1].why}


def test_an_unknown_lesson_names_the_nearest() -> None:
    said = lesson("show", "the-faulty-reprot")
    assert said.exit_code == 2
    assert "Did you mean the-faulty-report?" in said.output
