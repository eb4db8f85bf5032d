"""docs/your-own-filter.md: its files are those of the example, its commands do what it shows, its snippets work."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.filters.base import Filter
from gateway.testing import Gatehouse

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "own_filter"
PAGE = (ROOT / "docs" / "your-own-filter.md").read_text("utf-8")
FILES = dict(re.findall(r"^`([\w.]+)`:\n\n```\w+\n(.*?)\n```$", PAGE, re.MULTILINE | re.DOTALL))
SNIPPETS = {
    name: text
    for text in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    for name in re.findall(r"\Aclass (\w+)", text)
}
BEFORE = """
import asyncio, json
from gateway.filters.base import Filter, FilterSpec, Reply, Request, Verdict
from gateway.spec.fields import Duration
class JsonOnlySpec(FilterSpec): pass
class PoliteSpec(FilterSpec): delay: Duration
class GoneSpec(FilterSpec): advice: str
"""
CONFIG = """
listeners: [{{name: public, port: 8088}}]
clusters: [{{name: shop, endpoints: ["127.0.0.1:1"]}}]
routes:
  - name: all
    public: true
    filters: [{{type: {one}}}]
    {refs}
"""


def test_the_files_are_those_of_the_example() -> None:
    there = {path.name: path.read_text("utf-8").rstrip() for path in EXAMPLE.iterdir() if path.is_file()}
    assert there == FILES


def sessions() -> Iterator[tuple[str, list[str]]]:
    """Every command with the lines that it shows."""
    shown: list[str] = []
    for line in re.findall(r"^    (.*)$", re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL), re.MULTILINE):
        if line.startswith("$ "):
            shown = []
            yield line[2:], shown
        else:
            shown.append(line)


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """One with everything that this has, in which more can be installed; and what somebody would type into."""
    home = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    of_ours = sysconfig.get_path("purelib")
    libraries = next(home.glob("lib/python*/site-packages"))
    (libraries / "ours.pth").write_text(f"import site; site.addsitedir({of_ours!r})\n")
    for name, module in {"pip": "pip", "pytest": "pytest", "gatehouse": "gateway.cli.main"}.items():
        script = home / "bin" / name
        script.write_text(f'#!/bin/sh\nexec {home}/bin/python -m {module} "$@"\n')
        script.chmod(0o755)
    given = {
        "PATH": f"{home}/bin:{os.environ['PATH']}", "GATEHOUSE_STATE_DIR": str(tmp_path / "s"), "COLUMNS": "200",
        "PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_QUIET": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTEST_ADDOPTS": "-p no:cacheprovider -p no:asyncio -p no:timeout",
    }  # fmt: skip
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")} | given
    yield environ
    subprocess.run(["gatehouse", "down"], env=environ, capture_output=True, check=False)


def test_every_command_does_what_the_page_shows(tmp_path: Path, environment: dict[str, str]) -> None:
    folder = tmp_path / "acme-idempotency"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / name).write_text(text + "\n")
    commands = list(sessions())
    assert [command.split()[0] for command, _ in commands].count("gatehouse") == 6
    for command, shown in commands:
        typed = command.replace("gatehouse run ", "gatehouse run --port-base 0 ")  # here others may have these ports
        done = subprocess.run(["sh", "-c", typed], cwd=folder, env=environment, capture_output=True, text=True)
        may_fail = command.startswith(("gatehouse explain", "gatehouse call"))  # 1: it would be refused, or was
        assert done.returncode in ((0, 1) if may_fail else (0,)), f"{command}\n{done.stdout}\n{done.stderr}"
        said = [line.rstrip() for line in (done.stdout + done.stderr).splitlines()]
        for line in shown:
            start = line.partition("…")[0].rstrip()
            assert any(one.startswith(start) for one in said), f"{command}\n{done.stdout}\n{done.stderr}"


@pytest.fixture
def snippet(request: pytest.FixtureRequest) -> type[Filter[Any]]:
    space: dict[str, Any] = {"__name__": "snippets"}
    exec(compile(BEFORE + SNIPPETS[request.param], "snippet.py", "exec", dont_inherit=True), space)
    made: type[Filter[Any]] = space[request.param]
    return made


def test_there_are_three_snippets() -> None:
    assert set(SNIPPETS) == {"JsonOnly", "Polite", "Gone"}


@pytest.mark.parametrize("snippet", ["JsonOnly"], indirect=True)
def test_a_body(gatehouse: Gatehouse, snippet: type[Filter[Any]]) -> None:
    service = gatehouse.upstream()
    text = CONFIG.format(one="JsonOnly", refs="backendRefs: [{cluster: shop}]")
    gateway = gatehouse(text, clusters={"shop": service}, filters={"JsonOnly": snippet})
    gateway.post("/", data='{"a": 1}').assert_passed()
    assert service.received[0].body == b'{"a": 1}'
    gateway.post("/", data='{"a": ').assert_refused("json_malformed", 400)
    gateway.post("/", data="1" * 65_537).assert_refused("body_too_large_to_inspect", 413)
    gateway.post("/", data="1", headers={"Content-Encoding": "gzip"}).assert_refused("body_encoded", 415)


@pytest.mark.parametrize("snippet", ["Polite"], indirect=True)
def test_waiting(gatehouse: Gatehouse, snippet: type[Filter[Any]]) -> None:
    service = gatehouse.upstream()
    text = CONFIG.format(one="Polite, delay: 10ms", refs="backendRefs: [{cluster: shop}]")
    gatehouse(text, clusters={"shop": service}, filters={"Polite": snippet}).get("/").assert_passed()


@pytest.mark.parametrize("snippet", ["Gone"], indirect=True)
def test_answering(gatehouse: Gatehouse, snippet: type[Filter[Any]]) -> None:
    text = CONFIG.format(one='Gone, advice: "look at /v2"', refs="")
    answer = gatehouse(text, filters={"Gone": snippet}).get("/").assert_refused("gone_for_good", 410)
    assert answer.json()["detail"] == "look at /v2"
