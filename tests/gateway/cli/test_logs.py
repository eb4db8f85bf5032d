from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.logs import readable
from gateway.control import log_files
from gateway.control.log_files import added_lines, last_lines

LINE = {"time": "2025-01-01T10:00:00Z", "level": "info", "message": "order created", "order_id": 7, "subject": None}


@pytest.fixture
def log(installation: Any) -> Path:
    path = installation.state_dir / "logs" / "orders.log"
    path.parent.mkdir()
    path.write_text(json.dumps(LINE) + "\nplain \x1b[2J text\n")
    unwritten = {"name": "traffic", "log": str(path.with_name("traffic.log"))}
    installation.answers.append({"processes": [{"name": "orders", "log": str(path)}, unwritten]})
    return Path(path)


def test_lines_are_readable(installation: Any, log: Path) -> None:
    result = installation.run("logs", "orders")
    assert result.output.splitlines() == [
        "2025-01-01T10:00:00Z  INFO     order created  order_id=7",
        r"plain \x1b[2J text",
    ]


def test_json_leaves_the_lines_as_they_are(installation: Any, log: Path) -> None:
    first, second = installation.run("logs", "orders", "--json").output.splitlines()
    assert json.loads(first) == LINE
    assert second == r"plain \x1b[2J text"


def test_a_log_is_there_after_everything_has_ended(installation: Any, log: Path) -> None:
    (installation.state_dir / "instance.json").unlink()
    assert "order created" in installation.run("logs", "orders").output


@pytest.mark.parametrize("name", ["nothing", "traffic", "../instance", "/etc/passwd"])
def test_only_logs_that_exist_are_shown(installation: Any, log: Path, name: str) -> None:
    result = installation.run("logs", name)
    assert result.exit_code == 1
    assert result.output.endswith("There is: orders\n")


def test_a_traceback_stands_below_its_line_without_forging_others() -> None:
    shown = readable(json.dumps({"level": "error", "message": "a\nb", "traceback": "Traceback:\n  \x1b[31mboom"}))
    assert shown == "ERROR    a\\nb\n    Traceback:\n      \\x1b[31mboom"


@pytest.mark.parametrize("line", ["", "[1]", "7", "{"])
def test_what_is_no_record_is_shown_as_it_is(line: str) -> None:
    assert readable(line) == line


def test_only_the_end_of_a_long_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "TAIL_BYTES", 20)
    path = tmp_path / "x.log"
    path.write_text("".join(f"line {number:04}\n" for number in range(100)) + "unfinished")
    lines, position = last_lines(path, 50)
    assert lines[-1].endswith("0099")
    assert position == 1000
    assert last_lines(path, 0) == ([], 1000)


def test_following_gives_whole_lines_and_survives_a_cut(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.write_text("old\n")
    changes = iter(["half", " line\n", None, "x\nafter the cut\n"])

    def wait() -> None:
        change = next(changes)
        if change is None:  # a rotation empties the file in place
            path.write_text("")
        else:
            with path.open("a") as file:
                file.write(change)

    follower = added_lines(path, 4, wait)
    assert [next(follower) for _ in range(3)] == ["half line", "x", "after the cut"]
