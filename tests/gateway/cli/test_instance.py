from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.console import Failure
from gateway.cli.instance import find, private_json, state_dir


def _refusal(directory: Path) -> str:
    with pytest.raises(Failure) as caught:
        find(directory)
    return caught.value.format_message()


def test_the_option_wins_then_the_variable_then_xdg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GATEHOUSE_STATE_DIR", str(tmp_path / "variable"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "xdg"))
    assert state_dir(tmp_path / "option") == tmp_path / "option"
    assert state_dir(None) == tmp_path / "variable"
    monkeypatch.delenv("GATEHOUSE_STATE_DIR")
    assert state_dir(None) == tmp_path / "xdg" / "gatehouse"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert state_dir(None) == tmp_path / ".local" / "state" / "gatehouse"


def test_nothing_there_is_a_clear_message(tmp_path: Path) -> None:
    assert (
        _refusal(tmp_path / "absent") == f"Nothing runs in {tmp_path / 'absent'}.\nStart it with: gatehouse up --detach"
    )


def test_the_running_instance_is_found(installation: Any) -> None:
    found = find(installation.state_dir)
    assert (found.public_url, found.ready_seconds) == (installation.url, 2.5)
    assert "the-secret" not in repr(found)


def test_a_dead_supervisor_is_told_apart(installation: Any) -> None:
    facts = json.loads((installation.state_dir / "instance.json").read_text())
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        pass
    installation.write("instance.json", facts | {"supervisor_pid": ended.pid})
    assert "has ended without cleaning up" in _refusal(installation.state_dir)


def test_a_file_that_others_can_read_is_not_believed(installation: Any) -> None:
    (installation.state_dir / "instance.json").chmod(0o640)
    assert "is not believed" in _refusal(installation.state_dir)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"supervisor_pid": 1}'])
def test_a_damaged_file_is_a_message(installation: Any, content: str) -> None:
    (installation.state_dir / "instance.json").write_text(content)
    assert "instance.json" in _refusal(installation.state_dir)


def test_private_json_needs_the_file(tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"x\.json is absent"):
        private_json(tmp_path / "x.json")


def test_reading_is_asked_without_the_secret_and_changing_with_it(installation: Any) -> None:
    installation.reply("GET", "/routes", {"routes": []})
    installation.reply("POST", "/reload", {"version": 2})
    instance = find(installation.state_dir)
    instance.admin("GET", "/routes")
    instance.admin("POST", "/reload", {"a": 1})
    reading, changing = installation.received
    assert "authorization" not in reading.headers
    assert changing.headers["authorization"] == "Bearer the-secret-of-this-start"
    assert json.loads(changing.body) == {"a": 1}


def test_a_refusal_of_the_admin_api_names_its_reason(installation: Any) -> None:
    installation.reply("GET", "/routes", {"reason": "no_config", "detail": "no configuration is loaded"}, status=503)
    with pytest.raises(Failure, match="503: no_config: no configuration is loaded"):
        find(installation.state_dir).admin("GET", "/routes")


def test_the_supervisor_may_refuse(installation: Any) -> None:
    installation.answers.append({"error": "no process 'x'"})
    with pytest.raises(Failure, match="no process 'x'"):
        find(installation.state_dir).supervisor({"do": "stop", "name": "x"})


def test_a_supervisor_that_is_gone_is_a_message(installation: Any) -> None:
    (installation.state_dir / "s.sock").unlink()
    with pytest.raises(Failure, match="cannot be asked"):
        find(installation.state_dir).supervisor({"do": "ps"})
