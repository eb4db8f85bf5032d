import json
import logging
import os
from pathlib import Path

from gateway.control.supervisor.logs import JsonLines, open_log, rotate, tail


def test_a_long_log_moves_aside_while_its_writer_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "orders.log"
    fd = open_log(path)
    os.write(fd, b"x" * 100)
    assert not rotate(path, limit=100)
    assert rotate(path, limit=99)
    os.write(fd, b"after")
    os.close(fd)
    assert path.read_bytes() == b"after"
    assert (tmp_path / "orders.log.1").read_bytes() == b"x" * 100


def test_the_tail_is_the_last_lines(tmp_path: Path) -> None:
    path = tmp_path / "orders.log"
    path.write_text("\n".join(f"line {number}" for number in range(10_000)))
    assert tail(path, lines=2) == "line 9998\nline 9999"
    assert tail(tmp_path / "absent.log") == ""


def test_a_record_is_one_line_of_json() -> None:
    record = logging.makeLogRecord({"msg": "ended\nforged", "levelname": "WARNING", "process_name": "orders"})
    line = JsonLines().format(record)
    assert "\n" not in line
    assert json.loads(line) | {"time": ""} == {
        "time": "", "level": "warning", "message": "ended\nforged", "process_name": "orders",
    }  # fmt: skip
