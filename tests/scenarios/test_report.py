"""Pages to hand out: complete, escaped, and nothing in them is fetched."""

from __future__ import annotations

import re

import pytest

from scenarios.catalogue import catalogue
from scenarios.lab import blast, heat, report
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
    assert f'id="{scenario.id}"' in page
    assert page.count('class="mono" title=') == 2 * report.MAX_ROWS
    for text in (scenario.id, "Plausible, and wrong", "and 10 more", "2026-01-05"):
        assert text in page


@pytest.mark.parametrize("scenario", ALL, ids=lambda one: one.id)
def test_a_sheet_has_the_script_and_each_answer(scenario: Scenario) -> None:
    sheet = report.sheet(scenario)
    verb = "attack" if scenario.instead else "break"
    assert f"gatehouse lab {verb} {scenario.id}" in sheet
    assert "0:00" in sheet
    for text in (scenario.story, *scenario.hints, *(answer for _, answer in scenario.questions)):
        assert text in sheet


def test_the_blast_radius_is_a_table_and_a_picture(capsys: pytest.CaptureFixture[str]) -> None:
    cells = [
        blast.Cell(foothold, architecture, 2, 12 * weak, 0, 25 * weak, 9, 3, 1, 7 - 3 * weak, (), ("browse",))
        for architecture, weak in (("monolith", 1), ("mesh", 0))
        for foothold in ("inside orders", "orders crashed")
    ]
    heat.print_radius(cells)
    printed = capsys.readouterr().out
    for text in ("MONOLITH", "2 / 12 / 25", "2 / 0 / 0", "inside orders", "orders crashed"):
        assert text in printed
    page = report.html([], made="2026-01-05", radius=cells)
    assert page.count("<rect") == 4
    assert "12 operations" in page
    assert "4 of 7" in page
    assert 'class="heat0"' in page
    assert 'class="heat3"' in page
