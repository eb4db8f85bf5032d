from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gateway.cli.hints import command, program


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program `gatehouse` in `.venv/bin` of the current directory, which runs now."""
    path = tmp_path / ".venv" / "bin" / "gatehouse"
    path.parent.mkdir(parents=True)
    path.touch(mode=0o755)
    monkeypatch.setattr(sys, "argv", [str(path)])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/nowhere")
    return path


def test_outside_the_path_it_is_named_from_here(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert program() == ".venv/bin/gatehouse"
    monkeypatch.chdir("/")
    assert program() == str(installed)


def test_on_the_path_its_name_is_enough(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(installed.parent))
    assert program() == "gatehouse"


def test_started_as_a_module_it_is_named_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/x/gateway/cli/main.py"])
    assert program().endswith("-m gateway.cli.main")


def test_the_state_directory_is_named_only_if_needed(
    installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEHOUSE_STATE_DIR", str(tmp_path))
    assert command(tmp_path, "ps") == ".venv/bin/gatehouse ps"
    assert command(tmp_path / "my dir", "ps") == f".venv/bin/gatehouse ps --state-dir '{tmp_path}/my dir'"


def test_words_are_quoted_for_a_shell(installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEHOUSE_STATE_DIR", str(tmp_path))
    assert command(tmp_path, "call", "bob", "GET", "/a;rm -rf $HOME") == (
        ".venv/bin/gatehouse call bob GET '/a;rm -rf $HOME'"
    )
