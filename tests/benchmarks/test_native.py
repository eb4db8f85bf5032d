"""The native build takes part only as what this checkout is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks import native


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """As `make native` lays it out, with one module that is compiled."""
    package = shutil.copytree(
        native.ROOT / "gateway", tmp_path / "gateway", ignore=shutil.ignore_patterns("__pycache__")
    )
    (package / "http" / "heads.cpython-311-x86_64-linux-gnu.so").touch()
    (package / "data" / "config").mkdir(parents=True)
    (package / "data" / "config" / "example.py").touch()
    return tmp_path


def test_a_build_of_these_sources_takes_part(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "SITE", site)
    assert native.version() == "1 modules compiled by mypyc (make native)"


@pytest.mark.parametrize("change", ["changed", "added", "removed", "not compiled", "not there"])
def test_any_other_does_not(change: str, site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "SITE", site)
    module = site / "gateway" / "http" / "heads.py"
    if change == "changed":
        module.write_text(module.read_text() + "\n")
    elif change == "added":
        module.with_name("more.py").touch()
    elif change == "removed":
        module.unlink()
    elif change == "not compiled":
        next(site.glob("gateway/http/*.so")).unlink()
    else:
        shutil.rmtree(site)
    assert native.version() == ""
