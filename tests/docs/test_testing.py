"""The example of docs/testing.md runs as it stands there, and the page names what there is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.testing import Answer, Gatehouse, Gateway, Received, Upstream

PAGE = (Path(__file__).parents[2] / "docs" / "testing.md").read_text("utf-8")


def test_the_example_passes(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "test_example.py").write_text(example)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:asyncio"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "2 passed" in done.stdout, done.stdout


@pytest.mark.parametrize("one", [Answer, Gateway, Gatehouse, Received, Upstream], ids=lambda one: one.__name__)
def test_every_public_method_is_told(one: type) -> None:
    inside = {"record", "explanation", "close", "why", "worker"}  # for the parts among each other
    public = {name for name, value in vars(one).items() if not name.startswith("_") and callable(value)} - inside
    assert {name for name in public if not re.search(rf"\b{name}\b", PAGE)} == set()
