"""What stands around every page."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

PAGES = ("overview", "requests", "routes", "services", "lab", "lessons")


def test_every_page_opens_and_is_accessible_in_light_and_dark(console: Any, accessible: Any) -> None:
    for name in PAGES:
        page = console.open(f"#/{name}")
        expect(page.locator(f"#nav a[data-page={name}]")).to_have_attribute("aria-current", "page")
        expect(page.locator(f".page-{name} h1")).to_have_count(1)
        accessible(page)
