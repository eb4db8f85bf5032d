"""Pages to hand out: complete, escaped, and nothing in them is fetched."""

from __future__ import annotations

import re

import pytest

from scenarios.catalogue import catalogue
from scenarios.lab import report
from scenarios.lab.client import Exchange
from scenarios.lab.judge import Run, Verdict
from scenarios.lab.model import Outcome, Scenario

ALL = list(catalogue().values())
HOSTILE = "<script>alert(1)</script>"


def verdict(scenario: Scenario) -> Verdict:
    seen = [Exchange("nobody", f"GET /{HOSTILE}", 200, "", "", False, "4bf9", HOSTILE)]
    run = Run(Outcome(True, HOSTILE, {"n": "1"}), True, seen * 50, [], 50)
    return Verdict(scenario, run, run, 1.0)


@pytest.mark.parametrize("scenario", ALL, ids=lambda one: one.id)
def test_a_page_has_it_all_and_believes_nothing(scenario: Scenario) -> None:
    page = report.html([verdict(scenario)], made="2026-01-05")
    assert HOSTILE not in page
    assert not re.search(r"<(script|img|link|iframe)|url\(|@import|(src|action)=", page)
    assert page.count('class="mono" title=') == 2 * report.MAX_ROWS
    for text in (scenario.id, "Plausible, and wrong", "and 10 more", "2026-01-05"):
        assert text in page


@pytest.mark.parametrize("scenario", ALL, ids=lambda one: one.id)
def test_a_sheet_has_the_script_and_each_answer(scenario: Scenario) -> None:
    sheet = report.sheet(scenario)
    assert f"gatehouse lab break {scenario.id}" in sheet
    for text in (scenario.story, *scenario.hints, *(answer for _, answer in scenario.questions)):
        assert text in sheet
