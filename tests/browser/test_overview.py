"""The first page: the sentence, the map, the latest requests, the charts, the buttons."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import expect

LONG = 60_000


def test_it_tells_what_is_going_on_from_real_traffic(console: Any) -> None:
    page = console.open("#/overview")
    sentence = re.compile(r"^[\d.,]+ req/s, [\d.]+ % refused on purpose, [\d.]+ % failing$")
    expect(page.locator("h1.sentence")).to_have_text(sentence, timeout=LONG)
    expect(page.locator("#banner")).to_contain_text("DEFENDED")
    expect(page.locator(".chart")).to_have_count(4)
    for query in page.locator(".chart .promql code").all_text_contents():
        assert "http_server_request_duration_seconds" in query
    expect(page.locator(".latest .request").first).to_be_visible(timeout=LONG)


def test_the_map_shows_who_calls_what_with_closed_locks_inside(console: Any) -> None:
    page = console.open("#/overview")
    for name in ("clients", "gateway", "orders", "storefront", "payments"):
        expect(page.locator(f".map .node[data-name={name}]")).to_be_attached(timeout=LONG)
    page.get_by_role("button", name="As a table").click()
    rows = page.locator(".map-card tbody tr")
    inside = rows.filter(has_text="orders").filter(has_text="gateway").first
    expect(inside).to_contain_text("100 %", timeout=LONG)
    expect(rows.filter(has_text="clients").first).to_contain_text("0 %")


def test_a_node_leads_to_its_requests(console: Any) -> None:
    page = console.open("#/overview")
    page.locator(".map .node[data-name=orders]").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Decided by")).to_have_value("orders")
    expect(page.locator(".tail .request .why").first).to_contain_text("orders", timeout=LONG)


def test_traffic_is_stopped_and_started(console: Any) -> None:
    page = console.open("#/overview")
    page.get_by_role("button", name="Stop traffic").click()
    start = page.get_by_role("button", name="Start traffic")
    expect(start).to_be_visible(timeout=LONG)
    assert console.shop.processes()["traffic"]["state"] == "stopped"
    start.click()
    expect(page.get_by_role("button", name="Stop traffic")).to_be_visible(timeout=LONG)


def test_a_page_without_the_link_may_only_look_and_says_what_to_type(console: Any, accessible: Any) -> None:
    page = console.open("#/overview", key=False)
    page.get_by_role("button", name="Stop traffic").click()
    dialog = page.get_by_role("dialog", name="This page may only look")
    expect(dialog).to_contain_text("gatehouse traffic stop")
    accessible(page)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert console.shop.processes()["traffic"]["state"] == "running"


def test_attack_and_break_lead_to_the_lab(console: Any) -> None:
    page = console.open("#/overview")
    for name in ("Attack", "Break"):
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.locator(".page-lab")).to_be_visible(timeout=LONG)
        assert page.url.endswith(f"#/lab?do={name.lower()}")
        page.go_back()
