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
from playwright.sync_api import Browser, Page, sync_playwright

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
    "console-services": "#/services",
    "console-lab": "#/lab",
    "console-lessons": "#/lessons",
}


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
        page.wait_for_timeout(2_500)
        path = IMAGES / f"{name}-{theme}.png"
        path.write_bytes(packed(page.screenshot()))
        size = path.stat().st_size
        sys.stdout.write(f"{path.name}  {size // 1000} kB{'  TOO LARGE' if size > MOST_BYTES else ''}\n")
    context.close()


def main() -> None:
    """Every page, and one denied request in full."""
    with shop() as one, sync_playwright() as playwright:
        denied = json.loads(one.gatehouse("call", "partner", "POST", "/orders", "-d", "{}", "--json", code=1))
        followed = json.loads(one.gatehouse("call", "alice", "GET", "/orders/1001", "--json"))
        pages = PAGES | {"console-request": f"#/requests/{followed['trace_id']}"}
        pages |= {"console-denied": f"#/requests/{denied['trace_id']}"}
        wanted = set(sys.argv[1:]) or set(pages)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        for theme in THEMES:
            take(browser, one, theme, {name: place for name, place in pages.items() if name in wanted})
        browser.close()


if __name__ == "__main__":
    main()
