"""Services: what is done to processes from the page, and logs, in which strangers' text stays text."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, expect

LONG = 120_000
MARKUP = "<img src=x onerror=\"document.title='owned'\">"


def fact(page: Page, name: str) -> str:
    """What the page tells of the chosen process."""
    return page.locator(f".detail dt:text-is('{name}') + dd").inner_text()


def test_a_log_line_is_text_whatever_stands_in_it(console: Any, accessible: Any) -> None:
    console.shop.send("GET", "/products?ids=1", headers={"User-Agent": MARKUP})
    page = console.open("#/services/orders")
    line = page.locator(".lines li", has_text=MARKUP).first
    page.get_by_role("button", name="All fields").click()
    expect(line).to_be_visible(timeout=LONG)
    assert page.locator(".lines img").count() == 0
    assert page.title() != "owned"
    page.get_by_label("Only lines with this text").fill("onerror=")
    expect(page.locator(".lines li:visible").first).to_contain_text(MARKUP)
    assert page.locator(".lines li:visible").count() < page.locator(".lines li").count()
    accessible(page)


def test_one_process_is_restarted_stopped_started_and_killed(console: Any) -> None:
    before = console.shop.processes()
    page = console.open("#/services/recommendations")
    tools = page.locator(".detail .tools").first
    tools.get_by_role("button", name="Restart").click()
    expect(page.locator(".toast.good")).to_contain_text("was restarted", timeout=LONG)
    tools.get_by_role("button", name="Stop").click()
    tools.get_by_role("button", name="Start", exact=True).click(timeout=LONG)
    tools.get_by_role("button", name="Kill").click(timeout=LONG)
    expect(page.locator(".detail dt:text-is('Restarts') + dd")).not_to_have_text("0", timeout=LONG)
    after = console.shop.processes()
    assert after["recommendations"]["pid"] != before["recommendations"]["pid"]
    assert {after[name]["pid"] == before[name]["pid"] for name in ("orders", "gateway-1", "control")} == {True}


def test_a_service_gets_copies_and_another_version(console: Any) -> None:
    page = console.open("#/services/orders")
    page.get_by_label("Copies").fill("2")
    page.get_by_role("button", name="Scale").click()
    expect(page.locator("a.choose", has_text="orders-2").first).to_be_visible(timeout=LONG)
    page.get_by_label("Copies").fill("1", timeout=LONG)
    page.get_by_role("button", name="Scale").click()
    expect(page.locator(".toast.good", has_text="1 copy")).to_be_visible(timeout=LONG)
    page.locator("#version").select_option("v2")
    page.get_by_role("button", name="Deploy").click()
    back = page.get_by_role("button", name="Roll back to v1")
    expect(back).to_be_visible(timeout=LONG)
    assert console.shop.processes()["orders"]["version"] == "v2"
    back.click()
    expect(page.locator(".toast.good", has_text="v1 again")).to_be_visible(timeout=LONG)


def test_faults_are_planted_and_taken_out(console: Any) -> None:
    page = console.open("#/services")
    page.locator("#fault-route").select_option("products-read")
    page.get_by_label("to requests, %").fill("100")
    page.get_by_role("button", name="Plant").click()
    expect(page.locator(".planted-one")).to_contain_text("100 % answered 503", timeout=LONG)
    expect(page.locator("#banner")).to_contain_text("planted faults: products-read", timeout=LONG)
    assert console.shop.send("GET", "/products").status == 503
    page.get_by_role("button", name="Take out").click()
    expect(page.locator(".planted-one")).to_have_count(0, timeout=LONG)
    assert console.shop.send("GET", "/products").status == 200


def test_who_came_without_the_link_may_only_look(console: Any) -> None:
    page = console.open("#/services/orders", key=False)
    expect(page.locator(".log")).to_contain_text("gatehouse logs orders")
    page.get_by_role("button", name="Restart").click()
    expect(page.locator("dialog")).to_contain_text("gatehouse restart orders")


def test_an_incident_is_started_guessed_at_and_ended(console: Any) -> None:
    page = console.open("#/services")
    page.locator("#incident").select_option("error-burst", timeout=LONG)
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator(".ticket")).to_be_visible(timeout=LONG)
    page.locator("#culprit").select_option("payments")
    page.get_by_role("button", name="Answer").click()
    expect(page.locator(".answers li")).to_contain_text("Not it", timeout=LONG)
    page.get_by_role("button", name="Give up").click()
    expect(page.locator(".timeline")).to_contain_text("wrong answer", timeout=LONG)
