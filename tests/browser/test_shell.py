"""What stands around every page."""

from __future__ import annotations

import os
import signal
from typing import Any

from playwright.sync_api import expect

PAGES = ("overview", "requests", "routes", "services", "lab", "lessons")
CUT_OFF = """() => [...document.querySelectorAll(".card > header")]
    .filter((each) => each.scrollWidth > each.clientWidth).map((each) => each.innerText)"""
COVERED = """() => [...document.querySelectorAll(".map .node")].filter((node) => {
    const text = node.querySelector(".kind").getBoundingClientRect();
    const icons = [...node.querySelectorAll(".shield, .cylinder")].map((icon) => icon.getBoundingClientRect());
    return text.width > 0 && icons.some((icon) => text.left < icon.right && icon.left < text.right);
}).map((node) => node.dataset.name)"""


def test_every_page_opens_and_is_accessible_in_light_and_dark(console: Any, accessible: Any) -> None:
    for name in PAGES:
        page = console.open(f"#/{name}")
        expect(page.locator(f"#nav a[data-page={name}]")).to_have_attribute("aria-current", "page")
        expect(page.locator(f".page-{name} h1").first).to_be_attached()
        accessible(page)


def test_everything_fits_a_tablet(console: Any) -> None:
    for name in PAGES:
        page = console.open(f"#/{name}")
        page.set_viewport_size({"width": 768, "height": 1024})
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(wide) <= 0, name
        page.set_viewport_size({"width": 1440, "height": 900})


def test_no_title_is_cut_off_and_no_word_of_the_map_is_covered(console: Any) -> None:
    for place in (*PAGES, "services/orders", "lab/api1-bola", "routes/config"):
        page = console.open(f"#/{place}")
        for width in (768, 1024, 1280, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate(CUT_OFF) == [], f"{place}, {width} pixels wide"
    page = console.open("#/overview")
    expect(page.locator(".map .cylinder").nth(3)).to_be_visible()
    assert page.evaluate(COVERED) == []


def test_it_is_used_with_the_keyboard(console: Any) -> None:
    page = console.open("#/overview")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#page")).to_be_focused()
    page.get_by_role("link", name="Requests", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.locator(".page-requests")).to_be_visible()
    expect(page.locator("#page")).to_be_focused()
    assert page.title().startswith("Requests")


def test_the_theme_is_chosen_and_kept(console: Any) -> None:
    page = console.open("#/overview")
    button = page.locator("#theme")
    button.click()
    button.click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_a_lost_stream_is_told_and_found_again(console: Any) -> None:
    console.expect("ERR_")
    console.expect("Failed to load")
    page = console.open("#/overview")
    control = console.shop.processes()["control"]["pid"]
    os.kill(control, signal.SIGTERM)
    expect(page.locator("#link")).to_have_attribute("data-state", "lost", timeout=60_000)
    console.until_live()
    assert console.shop.processes()["control"]["pid"] != control
