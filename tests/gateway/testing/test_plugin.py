"""The plugin in other people's test runs: with each mode of pytest-asyncio, without it, and where nobody uses it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

USES = """
import asyncio

CONFIG = '''
listeners: [{name: public, port: 8088}]
clusters: [{name: shop, endpoints: ["127.0.0.1:1"]}]
routes: [{name: all, public: true, backendRefs: [{cluster: shop}]}]
'''


def test_in_a_function(gatehouse, upstream):
    gatehouse(CONFIG, clusters={"shop": upstream}).get("/x").assert_passed()
"""
IN_COROUTINE = """

@MARK
async def test_in_a_coroutine(gatehouse, upstream):
    gateway = gatehouse(CONFIG, clusters={"shop": upstream})
    (await asyncio.wrap_future(gateway.begin("GET", "/x"))).assert_passed()
"""
SCOPE = ["-o", "asyncio_default_fixture_loop_scope=function"]
"""Pytest-asyncio wants it said."""
ALONE = ["-p", "no:asyncio", "-p", "no:anyio", "-p", "no:hypothesispytest"]


def run(folder: Path, text: str, *options: str) -> str:
    (folder / "test_of_somebody.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=50)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("mark", "options"),
    [
        ("import pytest\n@pytest.mark.asyncio", ["-o", "asyncio_mode=strict", *SCOPE]),
        ("", ["-o", "asyncio_mode=auto", *SCOPE]),
    ],
    ids=["strict", "auto"],
)
def test_with_each_mode_of_pytest_asyncio(tmp_path: Path, mark: str, options: list[str]) -> None:
    assert "2 passed" in run(tmp_path, USES + IN_COROUTINE.replace("@MARK", mark), *options)


def test_without_any_library_for_coroutines(tmp_path: Path) -> None:
    assert "1 passed" in run(tmp_path, USES, *ALONE)


def test_fixtures_of_these_names_of_somebody_else_win(tmp_path: Path) -> None:
    fixture = "import pytest\n\n@pytest.fixture\ndef upstream():\n    return 7\n"
    own = f"{fixture}\ndef test_it(upstream):\n    assert upstream == 7\n"
    assert "1 passed" in run(tmp_path, own, *ALONE)


def test_where_nobody_uses_it_nothing_is_loaded(tmp_path: Path) -> None:
    text = """
import sys


def test_it():
    ours = {name for name in sys.modules if name.split(".")[0] == "gateway"}
    assert ours == {"gateway", "gateway.pytest_plugin"}
    assert not {"pydantic", "aiohttp", "uvloop", "yaml", "cryptography"} & set(sys.modules)
"""
    assert "1 passed" in run(tmp_path, text, *ALONE)


def test_the_wheel_carries_it(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=root, check=True, capture_output=True, timeout=50)
    (wheel,) = tmp_path.glob("*.whl")
    with ZipFile(wheel) as built:
        points = built.read(next(name for name in built.namelist() if name.endswith("entry_points.txt"))).decode()
        assert {"gateway/pytest_plugin.py", "gateway/testing/harness.py"} <= set(built.namelist())
        assert "gateway/data/docs/lessons/01-api-or-microservice.md" in built.namelist()
    assert "[pytest11]\ngatehouse = gateway.pytest_plugin\n" in points
