"""Secrets that a configuration names by file.

The problem: a secret in a configuration is in its history, in `last-good.json`, and on every screen that shows it. The
rule: the configuration has a path; the file is read when the secret is used, so that exchanging it needs no reload.
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

MAX_BYTES: Final = 4_096


def read_secret(path: Path) -> str:
    """The text of a file, without the line's end that editors leave.

    Raises:
        ValueError: there is none, or every user of this machine can read it.
    """
    try:
        status, text = path.stat(), path.read_text("utf-8")[:MAX_BYTES].strip("\r\n")
    except FileNotFoundError:
        raise ValueError(f"there is no file {path.name} there (paths are relative to this file's folder)") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path.name} is no text") from None
    except OSError as error:
        raise ValueError(f"{path.name} cannot be read: {error.strerror}") from None
    if status.st_mode & stat.S_IROTH:
        raise ValueError(f"every user of this machine can read {path.name}: chmod o-r, and consider it stolen")
    if not text:
        raise ValueError(f"{path.name} is empty")
    return text
