import json
import os
import stat
from pathlib import Path

import pytest

from gateway.control.supervisor.errors import CannotStart
from gateway.control.supervisor.state_dir import default_state_dir, prepare, take_lock, write_private


def test_a_new_directory_is_private(tmp_path: Path) -> None:
    state = prepare(tmp_path / "state")
    for folder in (state.root, state.redis, state.root / "logs", state.root / "data"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_directory_open_to_others_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o755)
    (tmp_path / "state").chmod(0o755)
    with pytest.raises(CannotStart, match="chmod 700"):
        prepare(tmp_path / "state")


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(CannotStart, match="state directory"):
        prepare(tmp_path / "state")


def test_a_path_too_long_for_sockets_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    root = tmp_path / ("x" * 100)
    with pytest.raises(CannotStart, match="shorter one with --state-dir"):
        prepare(root)
    assert not root.exists()


def test_a_second_instance_is_refused_with_the_firsts_pid(tmp_path: Path) -> None:
    state = prepare(tmp_path / "state")
    lock = take_lock(state)
    with pytest.raises(CannotStart, match=rf"already running .* \(supervisor pid {os.getpid()}\)"):
        take_lock(state)
    os.close(lock)
    os.close(take_lock(state))


def test_a_file_is_replaced_as_a_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "instance.json"
    write_private(path, {"a": 1})
    write_private(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 2}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_where_the_state_lies_by_default() -> None:
    assert default_state_dir({"GATEHOUSE_STATE_DIR": "/a/b"}) == Path("/a/b")
    assert default_state_dir({"XDG_STATE_HOME": "/x"}) == Path("/x/gatehouse")
    relative_is_ignored = default_state_dir({"XDG_STATE_HOME": "x"})
    assert relative_is_ignored == Path.home() / ".local" / "state" / "gatehouse"
