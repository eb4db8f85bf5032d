"""The lab: an attack and its defence from the page, before a real shop; on the wall by a key; how far it reaches."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

LONG = 120_000
SCENARIO = "api5-bfla"
CELLS = [
    {"foothold": foothold, "architecture": architecture, "services": far, "operations": 2 * far, "records": 5 * far,
     "databases": min(far, 1), "journeys": 6, "reached": [f"orders GET /orders{MARK}" for MARK in ("", "<b>")]}
    for foothold in ("a stolen token", "inside orders") for architecture, far in (("gateway", 4), ("mesh", 0))
]  # fmt: skip


@pytest.fixture
def mended(console: Any) -> Iterator[None]:
    """Whatever a test has weakened is taken back."""
    yield
    console.shop.gatehouse("lab", "reset")


def press(page: Page, button: str) -> None:
    page.locator(".attack .tools").get_by_role("button", name=button, exact=True).click(timeout=LONG)


@pytest.mark.usefixtures("mended")
def test_an_attack_gets_through_and_is_stopped(console: Any, accessible: Any) -> None:
    page = console.open(f"#/lab/{SCENARIO}")
    press(page, "Break")
    expect(page.locator("#banner")).to_contain_text("1 WEAKENED", timeout=LONG)
    press(page, "Attack")
    expect(page.locator(".attack .verdict")).to_contain_text("BREACHED", timeout=LONG)
    expect(page.locator(".path .box.open")).to_contain_text("orders", timeout=LONG)
    expect(page.locator(".path .control.off")).to_be_visible()
    press(page, "Check my fix")
    expect(page.locator("pre.said")).to_contain_text("NOT YET", timeout=LONG)
    accessible(page)
    press(page, "Fix")
    expect(page.locator("#banner")).to_contain_text("DEFENDED", timeout=LONG)
    press(page, "Attack")
    expect(page.locator(".attack .verdict")).to_contain_text("STOPPED", timeout=LONG)
    expect(page.locator(".path .box.faint")).to_contain_text("never reached")
    sides = page.locator(".both tr", has_text="decided by")
    expect(sides).to_contain_text("the service")
    expect(sides).to_contain_text("shop.yaml:")
    expect(page.locator(".evidence tbody tr").first).to_contain_text("insufficient_scope")


def test_both_sides_are_compared_on_a_shop_of_the_labs_own(console: Any) -> None:
    page = console.open(f"#/lab/{SCENARIO}")
    press(page, "Compare both sides")
    verdicts = page.locator(".both tr", has_text="verdict").locator("td")
    expect(verdicts).to_have_text(["BREACHED", "STOPPED"], timeout=LONG)
    expect(page.locator(".evidence tbody tr").first).to_contain_text("insufficient_scope")
    expect(page.locator("#banner")).to_contain_text("DEFENDED")
    # The traces went with that shop, so no link leads to where nothing is.
    traces = page.locator(".evidence tbody tr td:last-child")
    expect(traces.first).to_have_text(re.compile("[0-9a-f]{8}"))
    expect(traces.locator("a")).to_have_count(0)
    press(page, "Attack")
    expect(traces.locator("a").first).to_be_visible(timeout=LONG)


@pytest.mark.usefixtures("mended")
def test_it_is_presented_with_one_key(console: Any, accessible: Any) -> None:
    page = console.open(f"#/lab/{SCENARIO}?present")
    foot, verdict = page.locator(".presenter .foot"), page.locator(".presenter .verdict")
    expect(page.locator(".presenter h2")).to_have_text("A partner that may read writes", timeout=LONG)

    def space(until: str) -> None:
        page.keyboard.press(" ")
        expect(foot).to_contain_text(until, timeout=LONG)

    space("take the control away")
    space("go on")
    expect(verdict).to_contain_text("WEAKENED", timeout=LONG)
    accessible(page)
    space("attack, step by step")
    space("partner sends POST /orders")
    page.keyboard.press("a")
    expect(verdict).to_contain_text("BREACHED", timeout=LONG)
    expect(foot).to_contain_text("go on", timeout=LONG)
    space("put the control back")
    space("go on")
    space("attack again")
    # A run counts for the side that the latest live message tells, which is up to a second old.
    expect(page.locator("#banner")).to_contain_text("DEFENDED", timeout=LONG)
    space("go on")
    expect(verdict).to_contain_text("STOPPED", timeout=LONG)
    space("go on")
    expect(page.locator(".presenter .both")).to_contain_text("BREACHED", timeout=LONG)
    page.keyboard.press("Escape")
    expect(page.locator(".presenter")).to_have_count(0)


def test_a_scenario_is_found_by_its_words_and_by_where_its_control_lives(console: Any) -> None:
    page = console.open("#/lab")
    items = page.locator(".scenarios li")
    expect(items.first).to_be_visible(timeout=LONG)
    every = items.count()
    page.get_by_label("Search the scenarios").fill("cwe-639 graphql")
    expect(items).to_have_count(1)
    page.get_by_label("Search the scenarios").fill("")
    page.get_by_role("button", name="Mesh").click()
    assert 0 < items.count() < every
    page.get_by_label("Search the scenarios").fill("nothing is like this")
    expect(page.locator(".catalogue .empty")).to_be_visible()


def test_the_blast_radius_is_drawn_from_what_was_measured(console: Any, accessible: Any) -> None:
    """To measure takes minutes; here the page is given the answer of a run that is over."""
    job = {"id": "1", "command": "lab-blast-radius", "state": "done", "exit_code": 0, "began": 0, "seconds": 90.0}
    output = json.dumps({"journeys": 6, "cells": CELLS})
    page = console.open("#/overview")

    def told(route: Route) -> None:
        one = route.request.url.rpartition("/jobs")[2] != ""
        route.fulfill(json={**job, "output": [output], "errors": []} if one else {"jobs": [job]})

    page.route("**/jobs**", told)
    console.open("#/lab/blast-radius")
    row = page.locator(".heat tbody tr", has_text="a stolen token")
    expect(row.locator("td").nth(1)).to_have_text("8", timeout=LONG)
    assert (row.locator(".heat-4").count(), row.locator(".heat-0").count()) == (4, 4)
    expect(row.locator("td").last).to_have_text("6 of 6")
    accessible(page)
