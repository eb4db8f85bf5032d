"""Lessons: read, run, answered."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

LONG = 150_000


def test_a_lesson_is_run_and_its_question_judged(console: Any, accessible: Any) -> None:
    page = console.open("#/lessons/api-or-microservice")
    command = page.locator(".typed-command").first
    expect(command).to_contain_text("gatehouse call nobody GET", timeout=LONG)
    command.get_by_role("button", name="Run").click()
    expect(command.locator(".badge")).to_have_text("as the lesson shows", timeout=LONG)
    expect(command.locator("pre.printed")).to_contain_text("Gate hinge")
    command.get_by_role("button", name="Run").click()
    expect(page.locator(".toast.failing")).to_contain_text("It has been run")
    accessible(page)


def test_an_answer_is_judged_and_the_right_one_remembered(console: Any) -> None:
    page = console.open("#/lessons/api-or-microservice")
    for letter, tone in (("a", "breached"), ("b", "stopped")):
        page.locator(f".choice input[value={letter}]").check(timeout=LONG)
        page.get_by_role("button", name="Answer").click()
        expect(page.locator(".question .verdict")).to_have_attribute("data-tone", tone, timeout=LONG)
    page.reload()
    expect(page.locator(".lesson-list .number.right")).to_have_count(1, timeout=LONG)
