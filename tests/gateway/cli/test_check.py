from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli.check import picture
from gateway.cli.main import cli
from gateway.spec.errors import SpecError

GOOD = """\
listeners: [{name: public, port: 8088}]
clusters: [{name: a, endpoints: ["127.0.0.1:1"]}]
routes:
  - name: a
    public: true
    backendRefs: [{cluster: a}]
"""


def check(path: Path, content: str | bytes, *words: str) -> tuple[int, str]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    result = CliRunner().invoke(cli, ["check", str(path), *words])
    return result.exit_code, result.output


def test_a_good_file_is_good(tmp_path: Path) -> None:
    code, said = check(tmp_path / "good.yaml", GOOD)
    assert code == 0
    assert said.strip().endswith("good.yaml is good: 1 listener, 1 route, 1 cluster.")
    assert check(tmp_path / "good.yaml", GOOD, "--json") == (
        0,
        '{\n  "valid": true,\n  "errors": [],\n  "warnings": []\n}\n',
    )


def test_planted_faults_are_no_mistake_and_still_told(tmp_path: Path) -> None:
    planted = GOOD.replace("public: true", "public: true\n    faults: {abort: {percent: 5, status: 503}}")
    assert planted != GOOD
    code, said = check(tmp_path / "good.yaml", planted)
    assert code == 0
    assert "fails on purpose: 5 % of tries end with 503" in said
    assert "warning: " in said


def test_an_unknown_key_is_shown_where_it_stands(tmp_path: Path) -> None:
    code, said = check(tmp_path / "bad.yaml", GOOD.replace("public: true", "publik: true"))
    assert code == 2
    assert f"{tmp_path}/bad.yaml:5:5: " in said
    lines = said.splitlines()
    shown = next(number for number, line in enumerate(lines) if "| " in line)
    assert lines[shown] == "  5 |     publik: true"
    assert lines[shown + 1] == "          ^^^^^^"
    assert lines[shown + 2] == '  did you mean "public"?'


def test_all_errors_are_told_and_machines_get_them_too(tmp_path: Path) -> None:
    broken = GOOD.replace("public: true", "publik: true").replace("cluster: a", "cluster: b")
    code, said = check(tmp_path / "bad.yaml", broken, "--json")
    told = json.loads(said)
    assert (code, told["valid"]) == (2, False)
    assert {"file", "line", "column", "message", "text", "suggestion"} <= set(told["errors"][0])


@pytest.mark.parametrize("content", [b"\xff\xfe", b"", b"- 1", b"a: [", b"a: \x00", b"a: &x [*x]"])
def test_what_is_no_configuration_is_a_message(tmp_path: Path, content: bytes) -> None:
    code, said = check(tmp_path / "bad.yaml", content)
    assert code == 2
    assert "Traceback" not in said


def test_an_absent_file_is_misuse(tmp_path: Path) -> None:
    assert CliRunner().invoke(cli, ["check", str(tmp_path / "absent.yaml")]).exit_code == 2


def test_an_error_cannot_speak_to_the_terminal() -> None:
    text = "\tna\x1bme: \x1b[2J"
    shown = picture(SpecError("x.yaml", 3, 2, "", "bad \x1b[31m", text=text))
    assert shown == "x.yaml:3:2: bad \\x1b[31m\n  3 | \tna\\x1bme: \\x1b[2J\n      \t^^^^^^^^"
