"""The console in a real browser, before a real shop: one shop, a mesh with traffic, for the folder.

The rule for tests here: every page is watched. Whatever the browser complains of (an exception, a console error, an
address that is not ours) fails the test that caused it, so no test needs to ask; what a test means to provoke it
announces with `console.expect`. Without Chromium (`apt-get install chromium`) all of them are skipped.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request, expect, sync_playwright

from tests.integration.conftest import Shop, running

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = (
    "--no-sandbox", "--headless", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
)  # fmt: skip
RUNNING = os.environ.get("GATEHOUSE_BROWSER_SHOP")
"""The state directory of a shop that runs already, for whoever works on a page: no time is lost with starting one."""
WAIT_MS = 60_000
"""Generous: it costs nothing when the machine is fast."""
THEMES = ("light", "dark")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here starts the whole shop, and wants a browser."""
    lacking = pytest.mark.skip(reason="needs Chromium: apt-get install chromium")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.whole_system)
            item.add_marker(pytest.mark.timeout(600))
            if CHROMIUM is None:
                item.add_marker(lacking)


class Console:
    """The console as somebody has it before them."""

    def __init__(self, page: Page, shop: Shop) -> None:
        self.page, self.shop = page, shop
        self.url = f"http://127.0.0.1:{shop.ports['admin']}"
        self.complaints: list[str] = []
        self._expected: list[str] = []
        page.set_default_timeout(WAIT_MS)
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._asked)

    def expect(self, text: str) -> None:
        """Let the browser say this: a test provokes it."""
        self._expected.append(text)

    def open(self, place: str = "#/overview", *, key: bool = True) -> Page:
        """Look at a page; with the right to change things, unless `key` is False."""
        if key and self.page.url == "about:blank":
            code = self.shop.admin("POST", "/console/code").json()["code"]
            self.page.goto(f"{self.url}/?key={code}")
            self.until_live()
        self.page.goto(f"{self.url}/{place}")
        self.until_live(re.sub(r"[#/]*(\w+).*", r".page-\1", place))
        return self.page

    def until_live(self, page: str = ".page") -> None:
        """Wait for the first message of the stream, and for that page."""
        expect(self.page.locator("#link")).to_have_attribute("data-state", "live", timeout=WAIT_MS)
        expect(self.page.locator(f"#page > {page}")).to_be_visible(timeout=WAIT_MS)

    def read(self, locator: str) -> str:
        """The text of what that finds, once it is there."""
        return self.page.locator(locator).first.inner_text()

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(text in message.text for text in self._expected):
            self.complaints.append(f"{message.type}: {message.text}")

    def _asked(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and f"{parts.scheme}://{parts.netloc}" != self.url:
            self.complaints.append(f"asked {request.url}")


def running_already(state: str) -> Shop:
    """The shop of that state directory."""
    instance = json.loads((Path(state) / "instance.json").read_text())
    return Shop(Path(state), Path(instance["config"]))


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The shop that all tests of this folder share, with traffic."""
    if RUNNING is not None:
        yield running_already(RUNNING)
        return
    with running(tmp_path_factory.mktemp("shop"), "--mesh") as one:
        one.gatehouse("traffic", "start")
        yield one


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium; per module, since it keeps an event loop for itself, which tests elsewhere must not meet."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield started
        started.close()


@pytest.fixture
def console(browser: Browser, shop: Shop) -> Iterator[Console]:
    """The console in a fresh profile, watched."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, reduced_motion="reduce")
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened = Console(context.new_page(), shop)
    yield opened
    context.close()
    assert opened.complaints == []


def faults(page: Page, context: str | None = None) -> list[str]:
    """What axe-core finds wrong by WCAG 2.2, levels A and AA."""
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
    found = Axe().run(page, context, {"runOnly": {"type": "tag", "values": tags}}).response["violations"]
    return [f"{one['id']}: {node['html'][:200]} {_why(node)}" for one in found for node in one["nodes"]]


def _why(node: Any) -> str:
    return json.dumps([check["message"] for check in node["any"]])[:300]


@pytest.fixture
def accessible() -> Any:
    """accessible(page): axe-core finds nothing, in light and in dark."""

    def check(page: Page) -> None:
        for theme in THEMES:
            page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            assert faults(page) == [], theme

    return check


@pytest.fixture
def until_shown() -> Any:
    """until_shown(locator): it is to be seen, within a generous time."""

    def wait(locator: Locator) -> Locator:
        expect(locator).to_be_visible(timeout=WAIT_MS)
        return locator

    return wait
