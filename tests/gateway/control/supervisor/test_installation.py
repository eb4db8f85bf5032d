import json
import stat
from pathlib import Path

import pytest

from gateway.control.supervisor.errors import CannotStart
from gateway.control.supervisor.installation import Installation, open_installation


def open_shop(path: Path, users: tuple[str, ...] = ("alice", "bob")) -> Installation:
    return open_installation(path, users=users, clients=("partner",), redis=("supervisor", "orders"))


def test_secrets_are_made_once_and_kept(tmp_path: Path) -> None:
    first = open_shop(tmp_path / "installation.json")
    assert first == open_shop(tmp_path / "installation.json")
    assert stat.S_IMODE((tmp_path / "installation.json").stat().st_mode) == 0o600


def test_every_secret_is_its_own_and_long(tmp_path: Path) -> None:
    made = open_shop(tmp_path / "installation.json")
    secrets = [*made.users.values(), *made.clients.values(), *made.redis.values()]
    assert len(set(secrets)) == 5
    assert all(len(secret) >= 32 for secret in secrets)


def test_what_a_later_version_needs_is_added_and_the_rest_unchanged(tmp_path: Path) -> None:
    before = open_shop(tmp_path / "installation.json")
    after = open_shop(tmp_path / "installation.json", users=("alice", "bob", "carol"))
    assert set(after.users) == {"alice", "bob", "carol"}
    assert after.users["alice"] == before.users["alice"]
    assert after.redis == before.redis
    assert json.loads((tmp_path / "installation.json").read_text())["users"] == after.users


def test_secrets_are_not_printed(tmp_path: Path) -> None:
    made = open_shop(tmp_path / "installation.json")
    assert made.users["alice"] not in repr(made)


@pytest.mark.parametrize("content", ["", "[]", '{"users": {}}', '{"users": 1, "clients": {}, "redis": {}}'])
def test_a_damaged_file_is_refused_and_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "installation.json"
    path.write_text(content)
    with pytest.raises(CannotStart, match="damaged"):
        open_shop(path)
    assert path.read_text() == content
