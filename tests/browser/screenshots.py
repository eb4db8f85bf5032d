"""Take the pictures in docs/images/: every page of the console, light and dark, before a real shop with traffic.

    make screenshots        (or, before a shop that runs: GATEHOUSE_BROWSER_SHOP=STATE_DIR make screenshots)

The problem: pictures that somebody once took by hand show a program that no longer exists. The rule: they are made by
this, so they can be made again after each change; each is packed as small as PNG can be, and one that is still too
large is told.
"""

from __future__ import annotations

import json
import struct
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import ARGUMENTS, CHROMIUM, RUNNING, THEMES, Console
from tests.integration.conftest import Shop, running

IMAGES = Path(__file__).parents[2] / "docs" / "images"
SIZE = {"width": 1280, "height": 800}
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
        yield Shop(Path(RUNNING), Path(RUNNING) / "shop.yaml")
        return
    with tempfile.TemporaryDirectory() as directory, running(Path(directory), "--mesh") as one:
        one.gatehouse("traffic", "start")
        time.sleep(TRAFFIC_SECONDS)
        yield one


def packed(png: bytes) -> bytes:
    """The same picture, deflated as well as zlib can (RFC 2083: the IDAT chunks are one zlib stream)."""
    chunks, data, place = [], b"", 8
    while place < len(png):
        (size,) = struct.unpack_from(">I", png, place)
        kind, body = png[place + 4 : place + 8], png[place + 8 : place + 8 + size]
        if kind == b"IDAT":
            data += body
        else:
            chunks.append((kind, body))
        place += 12 + size
    chunks.insert(-1, (b"IDAT", zlib.compress(zlib.decompress(data), 9)))
    parts = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    ]
    return png[:8] + b"".join(parts)


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
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        for theme in THEMES:
            take(browser, one, theme, pages)
        browser.close()


if __name__ == "__main__":
    main()
