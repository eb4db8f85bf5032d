"""Routes, policies, clusters: what is in force, and trying something else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

LONG = 60_000


@pytest.fixture(autouse=True)
def the_file_holds(console: Any) -> Iterator[None]:
    """Whatever a test has tried is taken back."""
    yield
    console.shop.admin("DELETE", "/override")


def test_every_part_shows_what_runs_and_is_accessible(console: Any, accessible: Any) -> None:
    console.shop.gatehouse("call", "alice", "GET", "/orders")
    seen = {
        "": "orders-write", "/limits": "RateLimit", "/clusters": "least_request", "/certificates": "spiffe://",
        "/explain": "nothing is sent",
    }  # fmt: skip
    for part, words in seen.items():
        page = console.open(f"#/routes{part}")
        expect(page.locator("#page")).to_contain_text(words, timeout=LONG)
        accessible(page)


def test_a_route_in_full(console: Any) -> None:
    page = console.open("#/routes")
    page.get_by_role("button", name="orders-write").click(timeout=LONG)
    dialog = page.get_by_role("dialog", name="orders-write")
    for words in ("InternalToken", "shop.yaml:", '"backendRefs"'):
        expect(dialog).to_contain_text(words, timeout=LONG)


def test_a_request_is_explained_without_being_sent(console: Any) -> None:
    page = console.open("#/routes/explain")
    page.get_by_role("button", name="The partner orders").click()
    expect(page.locator(".verdict")).to_contain_text("would refuse it", timeout=LONG)
    expect(page.locator(".step.deny")).to_contain_text("Authorize")


def edit(page: Any, old: str, new: str) -> None:
    """Change the text in the editor at once: typing so much of it takes a browser half a minute."""
    area = page.get_by_label("The configuration, in YAML")
    expect(area).not_to_have_value("", timeout=LONG)
    text = area.input_value()
    assert old in text
    put = "(area, text) => { area.value = text; area.dispatchEvent(new Event('input')); }"
    area.evaluate(put, text.replace(old, new, 1))


def test_another_configuration_is_seen_tried_and_rolled_back(console: Any, accessible: Any) -> None:
    shop = console.shop
    before = shop.admin("GET", "/config").json()["version"]
    page = console.open("#/routes/config")
    edit(page, "  - name: orders-write\n", "  - name: orders-write-tried\n")
    page.get_by_role("button", name="See the diff").click()
    expect(page.locator(".diff .come")).to_contain_text("orders-write-tried", timeout=LONG)
    expect(page.locator("#page")).to_contain_text("route orders-write-tried: new")
    accessible(page)
    page.get_by_role("button", name="Put it in force").click()
    expect(page.locator("#banner")).to_contain_text("TRIAL", timeout=LONG)
    named = {route["name"] for route in shop.admin("GET", "/routes").json()["routes"]}
    assert "orders-write-tried" in named
    assert "orders-write-tried" not in shop.config.read_text()
    row = page.locator("tr").filter(has_text="the file").first
    row.get_by_role("button", name="Roll back to it").click()
    expect(page.locator("#banner")).to_contain_text("DEFENDED", timeout=LONG)
    assert shop.admin("GET", "/config").json()["version"] > before
    assert "orders-write" in {route["name"] for route in shop.admin("GET", "/routes").json()["routes"]}


def test_a_mistake_is_shown_with_its_line_and_changes_nothing(console: Any) -> None:
    console.expect("status of 422")
    version = console.shop.admin("GET", "/config").json()["version"]
    page = console.open("#/routes/config")
    edit(page, "type: Authorize", "type: Autorize")
    page.get_by_role("button", name="See the diff").click()
    expect(page.locator("#page .trouble")).to_contain_text("Autorize", timeout=LONG)
    page.get_by_role("button", name="Put it in force").click()
    expect(page.locator("#page .trouble")).to_contain_text("what was in force stays", timeout=LONG)
    assert console.shop.admin("GET", "/config").json()["version"] == version
    console.shop.gatehouse("reload")


def test_the_text_is_not_shown_to_who_may_only_look(console: Any) -> None:
    page = console.open("#/routes/config", key=False)
    expect(page.locator("#page")).to_contain_text("shown only to those who may change it")
    assert console.shop.send("GET", "/config/text", port=console.shop.ports["admin"]).status == 401
