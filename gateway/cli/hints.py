"""Commands printed for people to copy, which must work as printed.

The problem: `gatehouse call …` fails when the program is not on the PATH (`make up` starts it from `.venv`),
or when the installation that runs is not the default one. The rule: every printed command names the program
as this shell can find it, and the state directory where it is not the one a bare command would use.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

from gateway.cli.instance import state_dir


def program() -> str:
    """How to call this very program from the current directory."""
    started = Path(sys.argv[0])
    if started.name != "gatehouse":
        return f"{shlex.quote(sys.executable)} -m gateway.cli.main"
    found = shutil.which("gatehouse")
    if found and Path(found).resolve() == started.resolve():
        return "gatehouse"
    path, here = started.absolute(), Path.cwd()
    inside = path.is_relative_to(here) and here != here.parent  # from the root, the whole path reads better
    return shlex.quote(str(path.relative_to(here) if inside else path))


def command(directory: Path, *words: str) -> str:
    """A whole command line for the installation in `directory`, quoted for a shell."""
    chosen = [] if state_dir(None) == directory else ["--state-dir", str(directory)]
    return f"{program()} {shlex.join([*words, *chosen])}"
