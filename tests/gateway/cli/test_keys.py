"""`gatehouse key`: what it prints, and what stands in the file afterwards."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli.main import cli
from gateway.spec.api_keys import KEY, digest, read_keys


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def run(file: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, ["key", *words, "--file", str(file)])


def create(file: Path, *words: str) -> str:
    result = run(file, "create", *words)
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


def test_a_key_is_shown_once_and_kept_as_its_hash(file: Path) -> None:
    key = create(file, "acme", "--plan", "gold", "--scope", "read", "--scope", "write", "--days", "7")
    assert KEY.fullmatch(key.encode())
    (stored,) = read_keys(file).keys
    assert (stored.owner, stored.plan, stored.scopes) == ("acme", "gold", ("read", "write"))
    assert stored.sha256 == digest(key.encode())
    assert stored.expires is not None
    assert (stored.expires - stored.created).days == 7
    assert key.split("_", 2)[2] not in file.read_text() + run(file, "list").output
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_an_owner_has_at_most_two_valid_keys(file: Path) -> None:
    first = create(file, "acme").split("_")[1]
    create(file, "acme")
    create(file, "rival")
    refused = run(file, "create", "acme")
    assert refused.exit_code == 1
    assert f"gatehouse key revoke {first} " in refused.output
    assert run(file, "revoke", first).exit_code == 0
    create(file, "acme")
    states = [line.split()[-2] for line in run(file, "list").output.splitlines()[1:]]
    assert len(states) == 4
    assert states.count("valid") == 3


def test_revoking_is_kept_and_repeatable(file: Path) -> None:
    identity = create(file, "acme").split("_")[1]
    assert run(file, "revoke", identity).exit_code == 0
    (before,) = read_keys(file).keys
    assert run(file, "revoke", identity).exit_code == 0
    assert read_keys(file).keys == (before,)
    assert before.revoked is not None
    assert run(file, "revoke", "0" * 12).exit_code == 1


def test_the_list_for_programs_has_no_hashes(file: Path) -> None:
    create(file, "acme")
    (one,) = json.loads(run(file, "list", "--json").output)
    assert set(one) == {"id", "owner", "plan", "scopes", "created", "expires", "revoked"}


@pytest.mark.parametrize(
    ("words", "code"),
    [(("create", "a b"), 2), (("create", "a", "--scope", ""), 2), (("create", "a", "--days", "0"), 2), (("list",), 1)],
)
def test_what_is_refused_leaves_no_file(file: Path, words: tuple[str, ...], code: int) -> None:
    assert run(file, *words).exit_code == code
    assert not file.exists()


def test_a_broken_file_is_left_alone(file: Path) -> None:
    file.write_text("{")
    assert run(file, "create", "acme").exit_code == 1
    assert file.read_text() == "{"


def test_the_mode_of_the_file_stays(file: Path) -> None:
    create(file, "acme")
    file.chmod(0o644)
    create(file, "acme")
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert [path.name for path in file.parent.iterdir()] == [file.name]
