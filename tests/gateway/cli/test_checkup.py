from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli.checkup import Finding, examine
from gateway.cli.main import cli


def finding(name: str, state_dir: Path, port_base: int | None = None) -> Finding:
    return next(item for item in examine(state_dir, port_base) if item.name.startswith(name))


def test_every_lack_says_what_it_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    findings = examine(tmp_path, None)
    assert [item.name for item in findings if item.verdict != "ok" and not item.means] == []
    assert {item.name for item in findings if item.verdict == "missing"} >= {"node", "prometheus", "chromium", "envoy"}


def test_a_port_in_use_names_its_holder(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = finding("port", tmp_path, port_base=port)
    assert (found.name, found.verdict) == (f"port {port} (public)", "fail")
    assert "pid" in found.found


def test_a_long_state_directory_fails_before_a_socket_does(tmp_path: Path) -> None:
    assert finding("state", tmp_path / ("x" * 100)).verdict == "fail"
    assert finding("state", Path("/tmp/short")).verdict == "ok"


def test_an_open_state_directory_is_a_warning(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert finding("state", tmp_path).verdict == "warn"
    tmp_path.chmod(0o700)
    assert finding("state", tmp_path).verdict == "ok"


def test_an_existing_redis_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEHOUSE_REDIS_URL", "redis://:secret@127.0.0.1:1")
    found = finding("redis", tmp_path)
    assert found.verdict == "ok"
    assert "secret" not in str(found)


def test_other_systems_fail(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("platform.system", lambda: "Windows")
    assert "WSL 2" in finding("platform", tmp_path).means


@pytest.mark.parametrize("verdict", ["ok", "warn", "missing", "fail"])
def test_only_what_fails_is_a_failure(monkeypatch: pytest.MonkeyPatch, verdict: str) -> None:
    made = Finding("thing", verdict, "found", "what it means")  # type: ignore[arg-type]
    monkeypatch.setattr("gateway.cli.doctor.examine", lambda *_: [made])
    result = CliRunner().invoke(cli, ["doctor"])
    assert result.exit_code == (1 if verdict == "fail" else 0)
    assert ("what it means" in result.output) is (verdict != "ok")
    assert json.loads(CliRunner().invoke(cli, ["doctor", "--json"]).output)[0]["verdict"] == verdict
