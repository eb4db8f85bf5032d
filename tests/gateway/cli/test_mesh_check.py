"""`gatehouse mesh check`: a mesh's file is judged as the start of a mesh judges it."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from gateway.cli.main import cli

SHOPS = Path(__file__).parents[3] / "config" / "mesh.yaml"


def check(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["mesh", "check", *words])
    return result.exit_code, result.output


def test_the_shops_own_file_is_good() -> None:
    code, said = check(str(SHOPS))
    assert code == 0
    assert "mesh.yaml is good: " in said
    assert "certificates good for 10 min" in said
    assert check(str(SHOPS), "--json") == (0, '{\n  "valid": true,\n  "errors": []\n}\n')


def test_mistakes_are_shown_where_they_stand(tmp_path: Path) -> None:
    file = tmp_path / "mesh.yaml"
    file.write_text("certificateLife: 1s\nservices:\n  - name: ordrs\n")
    code, said = check(str(file))
    assert code == 2
    assert "2 problems in the mesh's file; nothing is started." in said
    assert "mesh.yaml:1:18: for how long" in said
    assert 'did you mean "orders"?' in said
    code, told = check(str(file), "--json")
    assert code == 2
    assert [one["line"] for one in json.loads(told)["errors"]] == [1, 3]
