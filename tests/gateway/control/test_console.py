"""The console page: served whole, nothing from elsewhere, and strangers' text comes out as text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from gateway.control.resources import console_dir, data_dir

FILES = sorted(path for path in console_dir().rglob("*") if path.is_file())


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
    for path in FILES:
        address = f"/console/{path.relative_to(console_dir()).as_posix()}"
        async with instance.http.get(instance.url + address) as response:
            assert response.status == 200, address
    for outside in ("/console/../guard.py", "/console/%2e%2e/index.html", "/console/", "/console/nothing.js"):
        async with instance.http.get(instance.url + outside) as response:
            assert response.status == 404, outside


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(console_dir()).as_posix())
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


def test_every_module_that_is_imported_is_there() -> None:
    for path in FILES:
        if path.suffix == ".js":
            for named in re.findall(r'(?:from|import)\(? ?"(\.[^"]+)"', path.read_text("utf-8")):
                assert (path.parent / named).resolve() in FILES, f"{path.name} imports {named}"


def test_the_first_page_is_fetched_at_once_not_import_by_import() -> None:
    """The page names the modules of the shell and the overview, so that the browser need not find them one by one."""
    page = (console_dir() / "index.html").read_text("utf-8")
    named = set(re.findall(r'modulepreload" href="/console/([^"]+)"', page))
    wanted = reached(console_dir() / "console.js", set()) | reached(console_dir() / "pages" / "overview.js", set())
    assert named == {path.relative_to(console_dir()).as_posix() for path in wanted} - {"console.js"}


def reached(path: Path, seen: set[Path]) -> set[Path]:
    """A module and all that it imports."""
    if path not in seen:
        seen.add(path)
        for named in re.findall(r'from "(\.[^"]+)"', path.read_text("utf-8")):
            reached((path.parent / named).resolve(), seen)
    return seen
