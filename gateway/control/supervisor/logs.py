"""Log files of processes: bounded, and readable for the last words of a process that failed.

A running child keeps its log file open, so a file that grew too long is copied aside and then emptied in
place; since it was opened for appending, the child goes on at the new beginning. Lines written in the
instant between may be lost (as with logrotate's `copytruncate`).
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from pathlib import Path

MAX_BYTES = 10 * 1024 * 1024
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def open_log(path: Path) -> int:
    """A descriptor that appends to `path`, rotated first if it is long."""
    rotate(path)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def rotate(path: Path, limit: int = MAX_BYTES) -> bool:
    """Keep `path` under `limit` bytes by moving its content to `path.1`; True if it was needed."""
    if not path.exists() or path.stat().st_size <= limit:
        return False
    shutil.copyfile(path, path.with_name(path.name + ".1"))
    os.truncate(path, 0)
    return True


def tail(path: Path, lines: int = 15, longest: int = 16_384) -> str:
    """The last lines of a log; empty when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - longest))
            return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""


class JsonLines(logging.Formatter):
    """One JSON object per record; control characters cannot forge a second line."""

    def format(self, record: logging.LogRecord) -> str:
        """Time (UTC), level, message and the `extra` fields."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {"time": f"{moment}.{int(record.msecs):03d}Z", "level": record.levelname.lower()}
        line |= {"message": record.getMessage()}
        line |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def log_to(path: Path) -> None:
    """Send our own log, and whatever else is written to standard output or error, to `path`."""
    fd = open_log(path)
    os.dup2(fd, 1)
    os.dup2(fd, 2)
    os.close(fd)
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
