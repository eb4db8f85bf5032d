from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib import invalidate_caches
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import gateway.http
from gateway.cli.main import COMMANDS, cli

HEAVY = {"rich", "pydantic", "aiohttp", "yaml", "psutil", "http.client", "cryptography", "asyncio", "gateway.control"}


def _modules_after(*arguments: str) -> set[str]:
    """The modules that a `gatehouse` process has imported when it ends."""
    program = (
        "import sys, atexit; from gateway.cli.main import main;"
        f"sys.argv = ['gatehouse', *{arguments!r}];"
        "atexit.register(lambda: print(*sorted(sys.modules), file=sys.stderr)); main()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["version"]])
def test_help_and_version_import_nothing_heavy(arguments: list[str]) -> None:
    imported = _modules_after(*arguments)
    assert "gateway.cli.main" in imported
    assert imported & HEAVY == set()


def test_the_version_says_whether_the_hot_path_is_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "gateway.http.heads", raising=False)
    monkeypatch.setattr(gateway.http, "__path__", [str(tmp_path)])
    (tmp_path / "heads.py").touch()
    assert ", native)" not in CliRunner().invoke(cli, ["--version"]).output
    (tmp_path / f"heads{EXTENSION_SUFFIXES[0]}").touch()
    invalidate_caches()
    assert CliRunner().invoke(cli, ["--version"]).output.endswith(", native)\n")
    assert json.loads(CliRunner().invoke(cli, ["version", "--json"]).output)["native"] is True


def test_help_imports_no_command() -> None:
    commands = {f"gateway.cli.{entry.module}" for entry in COMMANDS.values()}
    assert _modules_after("--help") & commands == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_table_exists_and_explains_itself(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.name == name
    assert (command.help or "").startswith(COMMANDS[name].help)
    if not isinstance(command, click.Group) and name != "version":
        assert re.search(r"Examples?\b.*:\n +gatehouse ", command.help or ""), "no example"


def test_every_command_is_in_the_help_text() -> None:
    printed = CliRunner().invoke(cli, ["--help"]).output
    for name, entry in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(entry.help)}$", printed, re.MULTILINE)


def test_an_unknown_command_is_a_usage_error_with_the_nearest_name() -> None:
    result = CliRunner().invoke(cli, ["exlpain"])
    assert result.exit_code == 2
    assert "There is no command 'exlpain'. Did you mean explain?" in result.output


def test_an_unknown_command_cannot_speak_to_the_terminal() -> None:
    assert "\x1b" not in CliRunner().invoke(cli, ["\x1b[2J"]).output


@pytest.mark.parametrize(("debug", "traceback"), [("", False), ("1", True)])
def test_our_own_fault_is_one_line_unless_asked_for(debug: str, traceback: bool) -> None:
    program = (
        "import gateway.cli.main as m, gateway.cli.about as a, sys;"
        "a.version.callback = lambda **_: 1 / 0;"
        "sys.argv = ['gatehouse', 'version']; m.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env={"GATEHOUSE_DEBUG": debug}
    )
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert ("Traceback" in done.stderr) is traceback


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_call_this_program(shell: str) -> None:
    result = CliRunner().invoke(cli, ["completion", shell])
    assert result.exit_code == 0
    assert "_GATEHOUSE_COMPLETE" in result.output
