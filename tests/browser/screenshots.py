"""Take the pictures in docs/images/: every page of the console, light and dark, before a real shop with traffic.

    make screenshots
    GATEHOUSE_BROWSER_SHOP=STATE_DIR python -m tests.browser.screenshots console console-denied    # of a shop that runs

The problem: pictures that somebody once took by hand show a program that no longer exists. The rule: they are made by
this, so they can be made again after each change; each has 256 colours, and one that is still too large is told.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.conftest import ARGUMENTS, CHROMIUM, RUNNING, THEMES, Console, running_already
from tests.integration.conftest import Shop, running

IMAGES = Path(__file__).parents[2] / "docs" / "images"
SIZE = {"width": 1280, "height": 980}
MOST_BYTES = 150_000
TRAFFIC_SECONDS = 190
"""So long until the charts are full."""
PAGES = {
    "console": "#/overview",
    "console-requests": "#/requests",
    "console-routes": "#/routes",
    "console-config": "#/routes/config",
    "console-services": "#/services/orders",
    "console-lessons": "#/lessons/api-or-microservice",
    "console-lab": "#/lab/api1-bola",
    "console-present": "#/lab/api1-bola?present",
}
LONG_MS = 120_000


def attacked(page: Page) -> None:
    """The scenario of this page is broken, and its attack got through."""
    tools = page.locator(".attack .tools")
    tools.get_by_role("button", name="Attack", exact=True).wait_for(timeout=LONG_MS)
    if tools.get_by_role("button", name="Break").count():
        tools.get_by_role("button", name="Break").click()
        tools.get_by_role("button", name="Fix", exact=True).wait_for(timeout=LONG_MS)
    tools.get_by_role("button", name="Attack", exact=True).click()
    expect(page.locator(".attack .verdict")).to_contain_text("BREACHED", timeout=LONG_MS)
    expect(page.locator(".path .box.open")).to_be_visible(timeout=LONG_MS)


def presented(page: Page) -> None:
    """The slide of the attack, when it is over."""
    foot = page.locator(".presenter .foot")
    for told in ("take the control away", "go on", "attack, step by step", "sends"):
        page.keyboard.press(" ")
        expect(foot).to_contain_text(told, timeout=LONG_MS)
    page.keyboard.press("a")
    expect(page.locator(".presenter .verdict")).to_contain_text("BREACHED", timeout=LONG_MS)
    expect(page.locator(".path .box.open").last).to_be_visible(timeout=LONG_MS)
    expect(foot).to_contain_text("go on", timeout=LONG_MS)


def opened(page: Page) -> None:
    """The log, or the lesson, is there."""
    page.locator(".lines li, .typed-command").first.wait_for(timeout=LONG_MS)


BEFORE = {
    "console-services": opened,
    "console-lessons": opened,
    "console-lab": attacked,
    "console-present": presented,
}
"""What is done on a page before its picture is taken."""


@contextmanager
def shop() -> Iterator[Shop]:
    """The one that runs, or one of our own with traffic."""
    if RUNNING is not None:
        yield running_already(RUNNING)
        return
    with tempfile.TemporaryDirectory() as directory, running(Path(directory), "--mesh") as one:
        one.gatehouse("traffic", "start")
        time.sleep(TRAFFIC_SECONDS)
        yield one


def packed(png: bytes) -> bytes:
    """The same picture with 256 colours, which is a third of the size and looks the same."""
    small = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(256, Image.Quantize.MEDIANCUT).save(small, "PNG", optimize=True)
    return small.getvalue()


def take(browser: Browser, one: Shop, theme: str, pages: dict[str, str]) -> None:
    """All pages in one theme."""
    context = browser.new_context(viewport=SIZE, color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
    console = Console(context.new_page(), one)
    for name, place in pages.items():
        page: Page = console.open(place)
        if name in BEFORE:
            BEFORE[name](page)
        page.wait_for_timeout(2_500)
        path = IMAGES / f"{name}-{theme}.png"
        path.write_bytes(packed(page.screenshot()))
        size = path.stat().st_size
        sys.stdout.write(f"{path.name}  {size // 1000} kB{'  TOO LARGE' if size > MOST_BYTES else ''}\n")
    context.close()


def main() -> None:
    """Every page, and one denied request in full; or those alone whose names are given."""
    with shop() as one, sync_playwright() as playwright:
        denied = json.loads(one.gatehouse("call", "partner", "POST", "/orders", "-d", "{}", "--json", code=1))
        followed = json.loads(one.gatehouse("call", "alice", "GET", "/orders/1001", "--json"))
        pages = PAGES | {"console-request": f"#/requests/{followed['trace_id']}"}
        pages |= {"console-denied": f"#/requests/{denied['trace_id']}"}
        wanted = set(sys.argv[1:]) or set(pages)
        attacks = {"console-lab", "console-present"}
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        for names in (wanted - attacks, wanted & attacks):  # to weaken restarts a service, which other pages would show
            for theme in THEMES:
                take(browser, one, theme, {name: place for name, place in pages.items() if name in names})
                one.gatehouse("lab", "reset")
        browser.close()


if __name__ == "__main__":
    main()
