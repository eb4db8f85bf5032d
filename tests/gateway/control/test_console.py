"""The console page: served whole, nothing from elsewhere, and strangers' text comes out as text."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.control.resources import console_dir, data_dir

FILES = sorted(console_dir().iterdir())
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
HOSTILE = "/orders/<img src=x onerror=\"document.title='owned'\">\u202e\n"
SHOWN = "/orders/<img src=x onerror=\"document.title='owned'\">\\u202e\\u000a"


async def test_the_page_and_all_it_names_are_served(instance: Any) -> None:
    async with instance.http.get(instance.url + "/") as response:
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "script-src 'self'" in response.headers["Content-Security-Policy"]
        page = await response.text()
    named = re.findall(r'(?:src|href)="(/console/[^"]+)"', page)
    assert len(named) >= 4
    for address in named:
        async with instance.http.get(instance.url + address) as response:
            assert response.status == 200, address
            expected = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
            assert response.content_type == expected[address.rpartition(".")[2]]
    for outside in ("/console/../guard.py", "/console/%2e%2e/index.html", "/console/", "/console/nothing.js"):
        async with instance.http.get(instance.url + outside) as response:
            assert response.status == 404, outside


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_from_elsewhere_and_no_markup_from_text(path: Path) -> None:
    text = path.read_text("utf-8")
    hosts = set(re.findall(r"https?://[\w.]+", text)) - {"http://www.w3.org"}
    assert hosts == set()
    forbidden = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|javascript:"
    code = re.sub(r"^//.*$", "", text, flags=re.MULTILINE)
    assert not re.search(forbidden, code)
    if path.suffix == ".html":
        assert not re.search(r"\son\w+=|\sstyle=|<script(?![^>]*src=)|<style", text)


def test_data_is_found_beside_the_package_and_inside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "gateway"
    monkeypatch.setattr("gateway.control.resources._PACKAGE", package)
    with pytest.raises(FileNotFoundError, match="install again"):
        data_dir("config")
    (tmp_path / "config").mkdir()
    assert data_dir("config") == tmp_path / "config"
    (package / "data" / "config").mkdir(parents=True)
    assert data_dir("config") == package / "data" / "config"


class Page:
    """A page in Chromium, driven by the DevTools protocol."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self.complaints: list[str] = []

    async def call(self, method: str, **params: Any) -> Any:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": params})
        while True:
            message = await self._socket.receive_json(timeout=10)
            if message.get("id") == self._number:
                return message["result"]
            if message["method"] in ("Runtime.exceptionThrown", "Log.entryAdded", "Page.javascriptDialogOpening"):
                self.complaints.append(str(message["params"]))

    async def value(self, expression: str) -> Any:
        found = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        return found["result"].get("value")

    async def until(self, expression: str) -> None:
        async with asyncio.timeout(10):
            while not await self.value(expression):
                await asyncio.sleep(0.05)


@pytest.fixture
async def page(instance: Any, tmp_path: Path) -> AsyncIterator[Page]:
    """Chromium with an empty page."""
    browser = await asyncio.create_subprocess_exec(
        str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}",
        "--remote-debugging-port=0", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert browser.stderr is not None
        while b"DevTools listening on" not in (line := await asyncio.wait_for(browser.stderr.readline(), 20)):
            assert line, "Chromium ended"
        base = re.sub(rb".*ws://([^/]+)/.*", rb"http://\1", line).decode().strip()
        async with instance.http.get(base + "/json") as response:
            (target, *_) = [one for one in await response.json() if one["type"] == "page"]
        async with instance.http.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            driven = Page(socket)
            for domain in ("Runtime", "Log", "Page"):
                await driven.call(f"{domain}.enable")
            yield driven
    finally:
        browser.kill()
        await browser.wait()


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")
async def test_a_browser_shows_hostile_text_as_text(instance: Any, page: Page) -> None:
    worker = await instance.worker()
    record = {"method": "GET", "path": HOSTILE, "status": 403, "reason": "insufficient_scope", "route": "orders"}
    worker.send(type="requests", records=[{**record, "policy": "shop.yaml:7", "decided_by": "gateway"}])
    await page.call("Page.navigate", url=instance.url + "/")
    await page.until("document.querySelector('.request .path') !== null")
    assert await page.value("document.querySelector('.request .path').textContent") == "GET " + SHOWN
    why = await page.value("document.querySelector('.request .why').textContent")
    assert why == "insufficient_scope · refused by gateway · orders · shop.yaml:7"
    assert await page.value("document.querySelectorAll('img, .requests script').length") == 0
    assert "owned" not in await page.value("document.title")
    assert page.complaints == []


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")
async def test_a_browser_may_change_things_only_through_the_link(instance: Any, supervisor: Any, page: Page) -> None:
    press = "document.getElementById('traffic').click()"
    hint = "document.getElementById('hint').textContent"
    await page.call("Page.navigate", url=instance.url + "/")
    await page.until("!document.getElementById('traffic').hidden")
    await page.value(press)
    await page.until(f"{hint}.includes('gatehouse traffic start')")
    code = (await instance.post("/console/code"))["code"]
    await page.call("Page.navigate", url=f"{instance.url}/?key={code}")
    await page.until("location.pathname + location.hash + location.search === '/'")
    await page.until("!document.getElementById('traffic').hidden")
    assert {"do": "start", "name": "traffic"} not in supervisor.asked
    await page.value(press)
    await instance.until(lambda: {"do": "start", "name": "traffic"} in supervisor.asked)
    assert page.complaints == []


CUT_OFF = """(() => {  // in one go: the page draws the numbers anew every second
  const [name, , ...numbers] = document.querySelector('#routes tbody tr').cells;
  name.prepend('internal-credential-resets ');
  ['1234', '12 %', '12 %', '999 ms', '999 ms'].forEach((text, index) => { numbers[index].textContent = text; });
  return [...document.querySelectorAll('.scroll:has(table)')]
    .filter((box) => box.scrollWidth > box.clientWidth).map((box) => box.firstElementChild.id);
})()"""


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")
@pytest.mark.parametrize("width", [700, 1180, 1181, 1280, 1360, 1500, 1501, 1920])
async def test_no_column_is_cut_off(instance: Any, page: Page, width: int) -> None:
    await page.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
    await page.call("Page.navigate", url=instance.url + "/")
    await page.until("document.querySelector('#routes tbody td.num:last-child') !== null")
    assert await page.value(CUT_OFF) == []
