"""What is said to an answer."""

from __future__ import annotations

from scenarios.lessons.model import Case, Question


def judge(question: Question, answer: str) -> Case:
    """The case that an answer is: the first that says the same, whatever its case and the stops around it."""
    said = " ".join(answer.lower().split()).strip(" .,;:!?()\"'")
    return next(case for case in question.cases if said in case.says or not case.says)
